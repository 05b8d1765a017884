package protect

import (
	"fmt"
	"slices"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

// keepsPrimary says why a primary key cannot begin with the tenant; "" when it can.
func (p *planner) keepsPrimary(t *table, x catalog.Index) string {
	if p.nobodys(t.rel) {
		return "Rows without a tenant are everybody's, and a primary key holds no NULL."
	}
	for _, part := range p.partitions(t.rel) {
		if i := indexNamed(part, part.Name+"_pkey"); i == nil || !i.Primary {
			return "Undoing it would give the key of partition " + key(part.QName()) + " another name."
		}
	}
	return ""
}

// tenantPrimary replaces a primary key by one of the same name that starts with the
// tenant. The new one's index is built beforehand, except on a partitioned table: there
// the server takes no index for a key.
func (p *planner) tenantPrimary(t *table, x catalog.Index, needs []string) {
	q, k := t.rel.QName(), t.rel.Constraint(x.Name)
	columns := append([]string{t.column}, t.rel.PrimaryKey()...)
	step := Step{ID: stepID(GroupKeys, q, x.Name+"/primary"), Group: GroupKeys, Table: q, Lock: AccessExclusive,
		Title: "add the tenant to the primary key " + x.Name, Reason: "values are now unique within each tenant",
		SQL:      []string{dropConstraint(q, x.Name)},
		Undo:     []string{dropConstraint(q, x.Name), addConstraint(q, x.Name, k.Definition)},
		Remember: []string{commentOnConstraint(q, x.Name)},
		Hazards:  []string{onConflict(t, x), "undoing this keeps readers and writers out while it builds the old key"}}
	if t.rel.Kind == catalog.PartitionedTable {
		step.SQL = append(step.SQL, addConstraint(q, x.Name, "PRIMARY KEY ("+sqltext.Idents(columns)+")"))
		step.Scans, step.Estimate = true, p.indexSize(t.rel)
		step.Hazards = append(step.Hazards, "keeps readers and writers out while it builds the key of every partition")
	} else {
		index := uniqueName(t.rel, append(slices.Clone(columns), ours))
		step.SQL = append(step.SQL, addConstraint(q, x.Name, "PRIMARY KEY USING INDEX "+sqltext.Ident(index)))
		needs = append(needs, p.primaryIndex(t, columns, index)...)
	}
	step.Needs = needs
	p.add(step)
}

// primaryIndex plans the index that a primary key will take over, unless an interrupted
// run has built it.
func (p *planner) primaryIndex(t *table, columns []string, name string) []string {
	if begun := indexNamed(t.rel, name); begun != nil && begun.Valid {
		return nil
	}
	id := stepID(GroupKeys, t.rel.QName(), "primary("+columns[1]+")/index")
	p.concurrently(indexBuild{group: GroupKeys, rel: t.rel, unique: true, keys: "(" + sqltext.Idents(columns) + ")",
		title: "for the primary key", reason: "the primary key takes it over without a scan"}, t.rel, name, id, "")
	return []string{id}
}

func addConstraint(q catalog.QName, name, definition string) string {
	return fmt.Sprintf("ALTER TABLE %s ADD CONSTRAINT %s %s", q.SQL(), sqltext.Ident(name), definition)
}
