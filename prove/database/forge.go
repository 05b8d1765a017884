package database

import (
	"context"
	"slices"

	"github.com/moat-db/moat/internal/sqltext"
)

// forge tries, in sealed mode, to name another tenant by whole statements. In plain
// mode that always works; the report says so once, at its head.
func (p *prover) forge(ctx context.Context, st *site) error {
	if p.Sealer == nil {
		return nil
	}
	plain := "SELECT set_config(" + lit(p.model.Setting) + ", " + lit(p.b) + ", true)"
	ways := map[string][]string{
		"forge in an expression": {plain},
		"forge by SET LOCAL":     {"SET LOCAL " + sqltext.Setting(p.model.Setting) + " = " + lit(p.b)},
		"forge in a block": {"DO $$BEGIN PERFORM set_config(" + lit(p.model.Setting) + ", " + lit(p.b) +
			", true); END$$"},
		"forge in a savepoint":  {"SAVEPOINT moat_forge", plain, "RELEASE SAVEPOINT moat_forge"},
		"forge after RESET ALL": {"RESET ALL", plain},
		"forge for the session": {"SELECT set_config(" + lit(p.model.Setting) + ", " + lit(p.b) + ", false)"},
		"forge by changed tenant": {"SELECT set_config(" + lit(p.model.Setting) + ", replace(current_setting(" +
			lit(p.model.Setting) + ", true), " + lit(p.a) + ", " + lit(p.b) + "), true)"},
	}
	for _, t := range p.targets {
		target := *p.sites[t]
		if !p.private(t) || !t.seesTenant() || len(target.rowsB) == 0 {
			continue
		}
		target.s, target.asA = st.s, st.asA
		if err := p.rebind(ctx, &target); err != nil {
			return err
		}
		var attacks []attack
		for name, steps := range ways {
			attacks = append(attacks, attack{name: name, steps: slices.Concat(steps,
				[]string{"SELECT 1 FROM " + t.sql() + " x WHERE " + target.attacked("x") + " LIMIT 5"}),
				judge: seen("the tenant was forged")})
		}
		slices.SortFunc(attacks, func(a, b attack) int {
			if a.name < b.name {
				return -1
			}
			return 1
		})
		if err := p.run(ctx, &target, t.name(), attacks); err != nil {
			return err
		}
	}
	return nil
}
