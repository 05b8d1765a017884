package protect

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

// unkeyed are the foreign keys that a table of unknown tenants seems to lack: its column is named
// for a table of tenants and of the type of that one's key, as where an ORM keeps no keys.
func (p *planner) unkeyed(rel *catalog.Relation) (sql, columns []string) {
	for _, c := range rel.Columns {
		to, key := p.namedFor(rel, c)
		if to == nil {
			continue
		}
		columns = append(columns, c.Name)
		sql = append(sql, fmt.Sprintf("ALTER TABLE %s ADD FOREIGN KEY (%s) REFERENCES %s (%s)", rel.QName().SQL(),
			sqltext.Ident(c.Name), to.QName().SQL(), sqltext.Ident(key)))
	}
	return sql, columns
}

// namedFor is the table of tenants that a column is named for, with its key; nil where there is
// none, and where a foreign key of the column says what it refers to.
func (p *planner) namedFor(rel *catalog.Relation, c catalog.Column) (to *catalog.Relation, key string) {
	if slices.ContainsFunc(rel.Constraints, func(k catalog.Constraint) bool {
		return k.Type == catalog.ForeignKey && slices.Contains(k.Columns, c.Name)
	}) {
		return nil, ""
	}
	for to := range catalog.Each(p.s.Relations) {
		if to == rel || to.Schema != rel.Schema || to.Partition || !p.Class(to.QName()).HasTenants() {
			continue
		}
		for _, k := range to.Constraints {
			if k.Type == catalog.PrimaryKey && len(k.Columns) == 1 && names(c.Name, to.Name, k.Columns[0]) &&
				to.Column(k.Columns[0]).Type == c.Type {
				return to, k.Columns[0]
			}
		}
	}
	return nil, ""
}

// names reports whether a column is named for the key of a table: campaignId or campaign_id for id
// of Campaign or campaigns.
func names(column, table, key string) bool {
	plain := func(s string) string { return strings.ReplaceAll(strings.ToLower(s), "_", "") }
	for _, one := range []string{table, strings.TrimSuffix(table, "s"), strings.TrimSuffix(table, "es"),
		strings.TrimSuffix(table, "ies") + "y"} {
		if plain(column) == plain(one)+plain(key) {
			return true
		}
	}
	return false
}
