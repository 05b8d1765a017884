package protect

import (
	"fmt"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

// tenantNames plans what keeps a freed name of a tenant from the next one, for each column by
// which tokens name their tenant.
func (p *planner) tenantNames() {
	tenants := p.byName[p.m.Tenants]
	if tenants == nil || p.m.Distribute {
		return // the coordinator of Citus runs no triggers for its shards
	}
	there := p.Relation(catalog.NamesTaken()) != nil
	for _, column := range p.m.Shapes.Names {
		if tenants.rel.Column(column) == nil || there && p.Missing(p.NameHelper(column)) == "" {
			continue
		}
		p.definerRole()
		p.tenantName(tenants, column, there)
		there = true
	}
}

func (p *planner) tenantName(tenants *table, column string, there bool) {
	h, q, table, definer := p.NameHelper(column), p.m.Tenants, catalog.NamesTaken().SQL(), sqltext.Ident(p.c.Roles.Definer)
	sql, undo := []string{fmt.Sprintf("LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE", q.SQL())}, h.Drop()
	if !there {
		sql = append(sql, fmt.Sprintf("CREATE TABLE %s (\n  source name NOT NULL,\n  name bytea NOT NULL,\n"+
			"  tenant text NOT NULL,\n  PRIMARY KEY (source, name)\n)", table),
			fmt.Sprintf("GRANT USAGE ON SCHEMA %s TO %s", Schema, definer),
			fmt.Sprintf("GRANT SELECT, INSERT, UPDATE ON %s TO %s", table, definer))
		sql = append(sql, p.operatorReadsTable(table)...)
		undo = append(undo, "DROP TABLE IF EXISTS "+table)
	}
	sql = append(sql, fmt.Sprintf("INSERT INTO %s\n  SELECT %s, sha256(convert_to(%[3]s::text, 'UTF8')), %[4]s::text "+
		"FROM %[5]s\n  WHERE %[3]s IS NOT NULL ON CONFLICT DO NOTHING", table, sqltext.Literal(column),
		sqltext.Ident(column), sqltext.Ident(p.m.Key), q.SQL()))
	p.superuserStep(Step{ID: stepID(GroupColumns, q, "name/"+column), Group: GroupColumns, Table: q, Data: true,
		Title: "keep freed values of " + column + " from other tenants",
		SQL:   append(sql, h.Create(p.c.Roles.Definer)...), Undo: append(undo, p.usageOf(Schema)...),
		Lock: ShareRowExclusive, Estimate: p.sizeOf(tenants.rel, 20_000),
		Hazards: []string{"a tenant that takes a " + column + " which another has had is refused"},
		Reason:  "tokens name their tenant by it: those of the old tenant would speak for the new one until they expire"})
}
