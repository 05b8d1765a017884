package audit

import (
	"fmt"
	"slices"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/english"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/policy"
)

var ruleRLSChild = Rule{
	ID: "rls-child", Severity: High, Holes: []string{"C24"},
	Title: "A table that reaches its tenant only through a foreign key is not protected",
	check: each(tenantTables, func(f *facts, r *catalog.Relation, report reporter) {
		if f.look.Class(r.QName()) == catalog.ChildTable && !r.RLS && len(r.Policies) == 0 && f.exposed(r) {
			report(f.openChild(r))
		}
	}),
}

func (f *facts) openChild(r *catalog.Relation) Finding {
	paths := f.look.Table(r.QName()).Paths
	x := onRelation(r,
		"Every tenant can read every other tenant's rows. Only a join says whose they are.",
		"The table has no tenant column and no policy. The policies of the table that it refers to do not protect it.")
	if len(paths) != 1 || len(paths[0]) == 0 {
		return x.decide("%s reaches a tenant by %s. Choose one (protect.paths in moat.yaml), then run moat protect.",
			r.QName(), english.Count(len(paths), "path"))
	}
	step := paths[0][0]
	parent := f.look.Relation(step.To)
	col := f.tenantColumn(step.To)
	if parent == nil || col == "" || len(paths[0]) > 1 || r.Kind == catalog.PartitionedTable || step.Nullable {
		return x.decide("The table reaches its tenant through %s. Give the tables along the way a tenant column first, "+
			"starting with the one nearest to the tenant. moat protect plans this, including the backfill.", pathText(paths[0]))
	}
	if c := parent.Column(col); c == nil || !c.NotNull {
		return x.decide("%s.%s can be NULL. Say first whose rows those without a tenant are; then give this table the "+
			"column.", step.To, col)
	}
	return x.with(f.addTenantSQL(r, parent, col, step)...)
}

func pathText(p catalog.Path) string {
	return list.Join(p, ", ", func(s catalog.Step) string { return s.To.String() })
}

// addTenantSQL gives a child table its parent's tenant column, fills it, ties the foreign
// key to it and protects it.
func (f *facts) addTenantSQL(r, parent *catalog.Relation, col string, step catalog.Step) []string {
	table, c := r.QName().SQL(), parent.Column(col)
	own := f.m.Column
	if own == "" || r.Column(own) != nil {
		own = col
	}
	typ := c.Type
	join := sqltext.Pairs("p", step.RefColumns, "c", step.Columns)
	sql := []string{
		fmt.Sprintf("ALTER TABLE %s ADD COLUMN IF NOT EXISTS %s %s", table, sqltext.Ident(own), typ),
		fmt.Sprintf("UPDATE %s c SET %s = p.%s FROM %s p WHERE %s AND c.%s IS NULL", table, sqltext.Ident(own),
			sqltext.Ident(col), parent.QName().SQL(), join, sqltext.Ident(own)),
		fmt.Sprintf("ALTER TABLE %s ALTER COLUMN %s SET NOT NULL", table, sqltext.Ident(own)),
		fmt.Sprintf("CREATE INDEX IF NOT EXISTS %s ON %s (%s)", sqltext.Ident(sqltext.Name(r.Name, own, "idx")), table,
			sqltext.Idents(append([]string{own}, step.Columns...))),
	}
	if fk := r.Constraint(step.Constraint); fk != nil && !slices.Contains(step.RefColumns, col) {
		sql = append(sql, f.compositeKeySQL(r, parent, fk, own, col)...)
	}
	expr := f.predicateOn(r, &catalog.Column{Name: own, Type: typ})
	sql = append(sql, f.look.Pair(r.QName(), expr, f.apps)...)
	return append(sql, policy.Enable(r.QName())...)
}
