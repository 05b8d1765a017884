package database

import (
	"slices"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/body"
)

// untold names a relation that a view or a function shows with its owner's rights, and of
// which planted rows say nothing: a table without a tenant, or one that was left out, a
// foreign table, or a materialized view; "" where it shows none.
func (s *stage) untold(o *observable) string {
	for _, name := range s.shows(o) {
		r := s.view.Relation(name)
		if r == nil || r.Extension != "" || r.Schema == "moat" {
			continue
		}
		class := s.view.Class(name)
		unknown := class == catalog.UnknownTable || class == catalog.IgnoredTable || s.hidden(name)
		if r.IsTable() && unknown || r.Kind == catalog.ForeignTable && class != catalog.SharedTable ||
			r.Kind == catalog.MaterializedView && slices.ContainsFunc(s.view.Beneath(name), s.holdsTenants) {
			return name.String()
		}
	}
	return ""
}

// hidden says whether a table is taken for shared though nobody said so, and the application
// role has no right to it.
func (s *stage) hidden(name catalog.QName) bool {
	entry, t := s.view.Table(name), s.byName[name]
	return entry != nil && entry.Assumed && t != nil && len(t.reach.selects) == 0
}

func (p *prover) holdsTenants(name catalog.QName) bool { return p.view.Class(name).HasTenants() }

// shows are the relations that an object reads with the rights of its owner, through views
// too.
func (s *stage) shows(o *observable) []catalog.QName {
	switch {
	case o.rel != nil && o.rel.Kind == catalog.View && !o.rel.SecurityInvoker:
		return s.view.Beneath(o.rel.QName())
	case o.function == nil || !o.definer || o.function.Result == "void":
		return nil
	}
	var all []catalog.QName
	used := body.Scan(o.function)
	for r := range catalog.Each(s.view.Snapshot.Relations) {
		if reads, _ := used.Of(r.QName()); reads {
			all = append(append(all, r.QName()), s.view.Beneath(r.QName())...)
		}
	}
	return all
}
