package database

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/policy"
)

// candidate is a tenant that could be attacker or attacked.
type candidate struct {
	id     string
	tables int   // in how many tables it has rows
	rows   int64 // of those counted
}

// fewRows is up to how many estimated rows a table is counted in full.
const fewRows = 100_000

// chooseTenants takes the configured tenants, else the two that have rows in the
// most tables (the smaller ones, where several do), else makes tenants up.
func (p *prover) chooseTenants(ctx context.Context) error {
	p.a, p.b = string(p.A), string(p.B)
	if p.a != "" && p.b != "" {
		if p.a == p.b {
			return fmt.Errorf("tenants A and B are the same")
		}
		return nil
	}
	found := p.candidates(ctx)
	for _, c := range found {
		if p.a == "" && c.id != p.b {
			p.a = c.id
		}
	}
	near, err := p.kin(ctx)
	if err != nil {
		return err
	}
	for _, strangers := range []bool{true, false} { // a tenant above or below A is B only where there is no other
		for _, c := range found {
			if p.b == "" && c.id != p.a && slices.Contains(near, c.id) != strangers {
				p.b = c.id
			}
		}
	}
	for n := 1; p.a == "" || p.b == ""; n++ {
		made := madeTenant(p.model.Type, n)
		if p.a == "" && made != p.b {
			p.a = made
		} else if p.b == "" && made != p.a {
			p.b = made
		}
	}
	return nil
}

// kin are the tenants above and below A: A may read some of their rows, and names them.
func (p *prover) kin(ctx context.Context) ([]string, error) {
	if p.model.Shapes.Tree == nil || p.a == "" {
		return nil, nil
	}
	key, typ := sqltext.Ident(p.model.Key), p.model.Type
	up := p.view.Literal(policy.Caller{Tenant: p.a}).Above(typ)
	down := p.view.Literal(policy.Caller{Tenant: p.a, Wide: true}).Verified(typ)
	results, err := p.operator.guarded(ctx, fmt.Sprintf("SELECT %[1]s::text FROM %[2]s WHERE %[1]s %[3]s OR %[1]s %[4]s",
		key, table(p.model.Tenants), up, down))
	if err != nil {
		return nil, fmt.Errorf("read the tenants above and below %s: %w", p.a, err)
	}
	all := list.Map(results[0].rows, func(row []string) string { return row[0] })
	return all, nil
}

// candidates counts in which tables each tenant has rows. A table that cannot be
// counted is left out here; its own probes say so.
func (p *prover) candidates(ctx context.Context) []candidate {
	byID := map[string]*candidate{}
	for _, t := range p.targets {
		if t.tenant == "" || !t.isTable() || t.rel.Partition {
			continue
		}
		results, err := p.operator.guarded(ctx, tenantsOf(t))
		if err != nil {
			continue
		}
		for _, r := range results[0].rows {
			c := byID[r[0]]
			if c == nil {
				c = &candidate{id: r[0]}
				byID[r[0]] = c
			}
			c.tables++
			c.rows += result{rows: [][]string{{r[1]}}}.number()
		}
	}
	out := make([]candidate, 0, len(byID))
	for _, c := range byID {
		out = append(out, *c)
	}
	slices.SortFunc(out, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(b.tables, a.tables), cmp.Compare(a.rows, b.rows), strings.Compare(a.id, b.id))
	})
	return out
}

// tenantsOf lists tenants of a table with how many rows each has. A large table is
// not scanned: the tenant-led index is hopped through, and without one only the
// first rows are looked at.
func tenantsOf(t *target) string {
	col, from := sqltext.Ident(t.tenant), t.sql()
	if t.rel.Estimate.Rows <= fewRows {
		return fmt.Sprintf("SELECT %s::text, count(*) FROM %s WHERE %s IS NOT NULL GROUP BY 1", col, from, col)
	}
	if ledByTenant(t) {
		return fmt.Sprintf("WITH RECURSIVE hop(t) AS ((SELECT %[1]s FROM %[2]s ORDER BY 1 LIMIT 1) UNION ALL "+
			"SELECT (SELECT %[1]s FROM %[2]s WHERE %[1]s > hop.t ORDER BY 1 LIMIT 1) FROM hop WHERE hop.t IS NOT NULL) "+
			"SELECT t::text, (SELECT count(*) FROM (SELECT 1 FROM %[2]s x WHERE x.%[1]s = t LIMIT 1000) n) FROM hop WHERE t IS "+
			"NOT NULL LIMIT 50", col, from)
	}
	return fmt.Sprintf("SELECT %[1]s::text, count(*) FROM (SELECT %[1]s FROM %[2]s LIMIT 100000) x WHERE %[1]s IS NOT "+
		"NULL GROUP BY 1", col, from)
}

func ledByTenant(t *target) bool {
	return slices.ContainsFunc(t.rel.Indexes, func(i catalog.Index) bool {
		return i.Method == "btree" && i.Predicate == "" && len(i.Keys) > 0 && i.Keys[0].Column == t.tenant
	})
}

// madeTenant makes up a tenant id of the type.
func madeTenant(typ string, n int) string {
	switch typ {
	case "uuid":
		return fmt.Sprintf("a0a70000-0000-4000-8000-%012d", n)
	case "bigint":
		return strconv.Itoa(7_700_000_000 + n)
	case "integer":
		return strconv.Itoa(1_770_000_000 + n)
	case "smallint":
		return strconv.Itoa(31_700 + n)
	}
	return "moat-tenant-" + strconv.Itoa(n)
}
