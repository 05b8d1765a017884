package protect

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/english"
)

// unkeyed are the foreign keys that a table of unknown tenants seems to lack: its column is named
// for a table of tenants and of the type of that one's key, as where an ORM keeps no keys. why says
// what they do when a row goes.
func (p *planner) unkeyed(rel *catalog.Relation) (sql, columns []string, why string) {
	var like, none []string
	for _, c := range rel.Columns {
		to, of := p.namedFor(rel, c)
		if to == nil {
			continue
		}
		k := catalog.Constraint{Columns: []string{c.Name}, References: to.QName(), RefColumns: []string{of},
			OnDelete: p.usualDelete(to, of)}
		if clears := k.OnDelete == "set null" || k.OnDelete == "set default"; clears && (c.NotNull || p.major() < 15) {
			k.OnDelete = "" // the one would fail, and the other cannot include the tenant
		}
		if k.OnDelete == "" {
			none = append(none, key(to.QName()))
		} else {
			like = append(like, key(to.QName()))
		}
		columns = append(columns, c.Name)
		sql = append(sql, fmt.Sprintf("ALTER TABLE %s ADD %s", rel.QName().SQL(), k.ForeignKeySQL()))
	}
	if len(like) > 0 {
		why += ". ON DELETE is that of the other keys to " + english.And(like)
	}
	if len(none) > 0 {
		why += ". Without ON DELETE, a row of " + english.Or(none) + " cannot be deleted while rows here refer to it; with " +
			"ON DELETE CASCADE they go with it"
	}
	return sql, columns, why
}

// usualDelete is what the foreign keys to a table do when a row of it is deleted; "" where
// there are none, or where they differ.
func (p *planner) usualDelete(to *catalog.Relation, of string) string {
	var all []string
	for _, ref := range p.References(to.QName()) {
		if slices.Contains(ref.Key.RefColumns, of) && !ref.Key.Inherited {
			all = append(all, ref.Key.OnDelete)
		}
	}
	slices.Sort(all)
	if all = slices.Compact(all); len(all) != 1 || all[0] == "no action" {
		return ""
	}
	return all[0]
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
