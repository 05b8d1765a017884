package schema

import "github.com/moat-db/moat/catalog"

// hide returns why a relation is not exposed, or "".
func (b *builder) hide(r *catalog.Relation) string {
	switch r.Kind {
	case catalog.View:
		return b.hideView(r, map[Name]bool{})
	case catalog.MaterializedView:
		return b.hideMaterialized(r)
	case catalog.ForeignTable:
		if b.class(r) == catalog.SharedTable {
			return ""
		}
		return "row-level security does not reach a foreign table"
	}
	if r.Partition {
		return "it is a partition: use the partitioned table"
	}
	return b.hideTable(r)
}

func (b *builder) class(r *catalog.Relation) catalog.Class {
	if m := b.models[r.QName()]; m != nil {
		return m.Class
	}
	return catalog.UnknownTable
}

func (b *builder) hideTable(r *catalog.Relation) string {
	switch b.class(r) {
	case catalog.SharedTable:
		return ""
	case catalog.IgnoredTable:
		return "it is configured to be ignored"
	}
	if !r.RLS {
		return "row-level security is off: run moat protect, or list it under tables.shared"
	}
	if r.Owner == b.role || b.grants.roles[r.Owner] {
		return "the application role owns it"
	}
	return ""
}

// hideView accepts a view that runs with the caller's rights, or whose owner is
// bound by the policies of every table it reads.
func (b *builder) hideView(r *catalog.Relation, seen map[Name]bool) string {
	if seen[r.QName()] {
		return ""
	}
	seen[r.QName()] = true
	for _, base := range b.viewBases(r.QName()) {
		if reason := b.hideBase(r, base, seen); reason != "" {
			return reason
		}
	}
	return ""
}

func (b *builder) hideBase(view, base *catalog.Relation, seen map[Name]bool) string {
	switch base.Kind {
	case catalog.View:
		return b.hideView(base, seen)
	case catalog.MaterializedView:
		if reason := b.hideMaterialized(base); reason != "" {
			return "it reads " + base.QName().String() + ": " + reason
		}
		return ""
	case catalog.Sequence:
		return ""
	}
	if b.class(base) == catalog.SharedTable {
		return ""
	}
	switch {
	case base.Kind == catalog.ForeignTable:
		return "it reads the foreign table " + base.QName().String()
	case !base.RLS:
		return "it reads " + base.QName().String() + ", whose row-level security is off"
	case view.SecurityInvoker:
		return ""
	case b.bypass[view.Owner]:
		return "it runs as its owner, who passes by row-level security: make it security_invoker"
	case base.Owner == view.Owner && !base.ForceRLS:
		return "it runs as the owner of " + base.QName().String() + ", whose policies do not bind the owner"
	}
	return ""
}

// hideMaterialized accepts a materialized view of shared tables only: it holds rows
// and has no policies.
func (b *builder) hideMaterialized(r *catalog.Relation) string {
	if b.class(r) == catalog.SharedTable {
		return ""
	}
	for _, base := range b.viewBases(r.QName()) {
		if b.class(base) != catalog.SharedTable {
			return "a materialized view has no policies"
		}
	}
	return ""
}
