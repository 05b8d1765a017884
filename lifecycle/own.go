package lifecycle

import (
	"slices"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

// kept are tables of moat's own whose lines about a tenant stay: they are the record of
// what was done to it, and keep its names from other tenants.
var kept = []string{"operator_log", "erasure", "certificate", "restoring", catalog.NamesTaken().Name}

// own lists moat's own rows of a tenant: its keys, sessions, limits, notes and places in the
// tree, though these follow the tenants table by a trigger.
func (o *Operator) own(tenant string) []*part {
	var all []*part
	for r := range catalog.Each(o.view.Snapshot.Relations) {
		if r.Schema != "moat" || !r.IsTable() || r.Partition || slices.Contains(kept, r.Name) {
			continue
		}
		for _, name := range []string{"tenant", "tenant_id", o.view.Model.Column} {
			c := r.Column(name)
			if c == nil {
				continue
			}
			all = append(all, &part{table: r, how: "moat's own, by " + name, is: func(alias string) string {
				return alias + "." + sqltext.Ident(name) + "::text" + equals + sqltext.Literal(tenant)
			}})
			break
		}
	}
	return all
}

// views are the materialized views that show rows of the parts, in the order in which they
// are to be refreshed: what another one reads first.
func (o *Operator) views(all []*part) []*catalog.Relation {
	var out []*catalog.Relation
	for r := range catalog.Each(o.view.Snapshot.Relations) {
		if r.Kind != catalog.MaterializedView {
			continue
		}
		if slices.ContainsFunc(o.view.Beneath(r.QName()), func(q catalog.QName) bool { return find(o.view, all, q) != nil }) {
			out = append(out, r)
		}
	}
	// One that reads another has strictly more beneath it.
	slices.SortStableFunc(out, func(a, b *catalog.Relation) int {
		return len(o.view.Beneath(a.QName())) - len(o.view.Beneath(b.QName()))
	})
	return out
}
