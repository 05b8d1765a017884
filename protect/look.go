package protect

import (
	"context"
	"maps"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/tenancy"
)

// Look reads the database and plans: [tenancy.Read] with the options
// given, [New], and again New once [Examine] has looked for rows that stand
// in the way. The Snapshot it returns is what the plan was made from.
//
// unseen is not nil when the role may not look at all tenants' rows: then the plan
// is made without its checks, which run again, and may stop, before their steps.
func Look(ctx context.Context, conn *pgx.Conn, o tenancy.Options, c Config) (plan *Plan, s *catalog.Snapshot, unseen,
	err error) {
	if o.Operators == nil {
		r := c.withDefaults().Roles
		o.Operators = []string{r.Owner, r.Operator, r.Definer}
	}
	v, err := tenancy.Read(ctx, conn, o)
	if err != nil {
		return nil, nil, nil, err
	}
	chosen, err := ChosenPaths(ctx, conn)
	if err != nil {
		return nil, nil, nil, err
	}
	maps.Copy(chosen, c.Paths)
	c.Paths = chosen
	c.Shared = append(c.Shared, list.Map(o.Shared, catalog.QName.String)...)
	plan, err = New(v, c)
	if err != nil {
		return nil, nil, nil, err
	}
	found, unseen := Examine(ctx, conn, plan, c.Looking)
	if unseen == nil {
		c.Seen, unseen = compare(ctx, conn, plan)
	}
	c.Unseen = unseen
	if len(found) > 0 || len(c.Seen) > 0 || unseen != nil {
		c.Stopped = found
		plan, err = New(v, c)
	}
	return plan, v.Snapshot, unseen, err
}
