package database

import (
	"context"
	"fmt"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

// attackUnbound tries every relation with no tenant on a fresh connection, with an
// empty tenant, and with one that does not exist.
func (p *prover) attackUnbound(ctx context.Context) error {
	fresh, err := p.open(ctx, p.appConfig, nil)
	if err != nil {
		return fmt.Errorf("connect as the application role: %w", err)
	}
	defer fresh.close()
	for _, who := range p.nobodies(ctx, fresh) {
		for _, t := range p.targets {
			st := p.sites[t]
			if !t.reach.usage || !p.private(t) {
				continue
			}
			probe := *st
			probe.s = fresh
			probe.blind = false
			if p.seesEverybodys(who, t) {
				continue
			}
			attacks := probe.unboundAttacks(who.name, who.as)
			if t.risky || !t.isTable() {
				attacks = readsOnly(attacks)
			}
			if err := p.run(ctx, &probe, t.name(), p.withRows(st, attacks)); err != nil {
				return err
			}
		}
	}
	return nil
}

// nobody is a binding under which nothing belongs to the session.
type nobody struct {
	name string
	as   []string
}

// seesEverybodys says whether a tenant that does not exist rightly sees rows: those for
// everybody, and no more. There the visible set is compared.
func (p *prover) seesEverybodys(who nobody, t *target) bool {
	return who.name == "unknown tenant" && p.model.Shapes.SharedRowsOf(t.rel.QName()) != nil
}

// notEverybodys leaves out rows for everybody where a pattern is a tenant to whom they are
// shown, as any text is.
func (st *site) notEverybodys(nobody string) string {
	x := st.prover.model.Shapes.SharedRowsOf(st.rel.QName())
	switch column := sqltext.Ident(st.tenant); {
	case x == nil || nobody != "wildcard tenant":
		return ""
	case x.Sentinel == "":
		return " WHERE " + column + " IS NOT NULL"
	default:
		return " WHERE " + column + "::text IS DISTINCT FROM " + sqltext.Literal(x.Sentinel)
	}
}

// nobodies lists them; the unbound one comes first, while the connection is fresh.
func (p *prover) nobodies(ctx context.Context, s *session) []nobody {
	out := []nobody{{"no tenant", []string{}}}
	if s.bind.bare() {
		out = append(out, nobody{"empty tenant", s.bind.plain("")}, nobody{"wildcard tenant", s.bind.plain("%")})
	}
	as, err := s.bind.to(ctx, madeTenant(p.model.Type, 9999))
	switch {
	case err != nil:
		p.report.Skip("unknown tenant: the sealer signs for no such tenant (" + err.Error() + ")")
	case s.bind.turns != nil && s.refusesTenant(ctx, as):
		p.report.Skip("unknown tenant: moat proxy refuses its token")
	default:
		out = append(out, nobody{"unknown tenant", as})
	}
	return out
}

// private says whether the rows of a relation belong to tenants.
func (p *prover) private(t *target) bool {
	switch t.class {
	case catalog.TenantTable, catalog.TenantsTable, catalog.ChildTable:
		return true
	}
	return t.tenant != ""
}

// withRows keeps attacks that mean something: nothing seen in an empty table shows
// nothing, so those wait for the stage.
func (p *prover) withRows(st *site, attacks []attack) []attack {
	if len(st.rowsA) > 0 || len(st.rowsB) > 0 {
		return attacks
	}
	return nil
}

func readsOnly(attacks []attack) []attack {
	if len(attacks) > 1 {
		return attacks[:1]
	}
	return attacks
}
