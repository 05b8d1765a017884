package audit

import (
	"slices"

	"github.com/moat-db/moat/catalog"
)

// onShards reports whether the policies of a table have to work on the shards of Citus, now
// or, as the model says, later.
func (f *facts) onShards(r *catalog.Relation) bool {
	return f.look.Distributed(r.QName()).Spread() || f.m.Distribute
}

// alone reports whether a tenant table stayed on the coordinator while others are spread.
func (f *facts) alone(r *catalog.Relation) bool {
	return f.s.Distribution.Spread() && !r.Partition && !f.look.Distributed(r.QName()).Spread()
}

// beside returns a table that is sharded by its tenant column, to keep others together with;
// nil when there is none.
func (f *facts) beside() *catalog.Relation {
	i := slices.IndexFunc(f.keyedTables, func(r *catalog.Relation) bool {
		d := f.look.Distributed(r.QName())
		return d != nil && d.Kind == catalog.Sharded && d.Column == f.tenantColumn(r.QName())
	})
	if i < 0 {
		return nil
	}
	return f.keyedTables[i]
}
