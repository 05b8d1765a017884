package protect

import (
	"context"
	"fmt"
	"maps"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/catalog"
)

// Look reads the database and plans: [catalog.Load], [catalog.Infer] with the
// options given, [New], and again New once [Examine] has looked for rows that stand
// in the way. The Snapshot it returns is what the plan was made from.
//
// unseen is not nil when the role may not look at all tenants' rows: then the plan
// is made without its checks, which run again, and may stop, before their steps.
func Look(ctx context.Context, conn *pgx.Conn, o catalog.Options, c Config) (plan *Plan, s *catalog.Snapshot, unseen, err error) {
	s, err = catalog.Load(ctx, conn)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("read the catalog: %w", err)
	}
	if o.Operators == nil {
		r := c.withDefaults().Roles
		o.Operators = []string{r.Owner, r.Operator, r.Definer}
	}
	m, err := catalog.Infer(s, o)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("tell tenants apart: %w", err)
	}
	chosen, err := ChosenPaths(ctx, conn)
	if err != nil {
		return nil, nil, nil, err
	}
	maps.Copy(chosen, c.Paths)
	c.Paths = chosen
	for _, q := range o.Shared {
		c.Shared = append(c.Shared, q.String())
	}
	plan, err = New(s, m, c)
	if err != nil {
		return nil, nil, nil, err
	}
	found, unseen := Examine(ctx, conn, plan)
	if len(found) > 0 {
		c.Stopped = found
		plan, err = New(s, m, c)
	}
	return plan, s, unseen, err
}
