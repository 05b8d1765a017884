package catalog

import (
	"strings"

	"github.com/moat-db/moat/internal/list"
)

// Definition returns a fingerprint of what the Snapshot says of the objects that reports
// call by this name: schema.table, schema.table.part, schema.function(types), the name
// of a role, schema, database, publication or event trigger, or "server". Objects of one
// name are taken together, so that a change of any shows. It is "" when there is none.
func Definition(s *Snapshot, name string) string {
	var all []any
	note := func(called string, object any) {
		if called == name {
			all = append(all, object)
		}
	}
	note("server", s.Version)
	here := func(x StoredSetting) bool { return x.Database != "" || x.Role == "" }
	note(s.Database.Name, []any{s.Database, stored(s, here)})
	for _, r := range s.Roles {
		note(r.Name, []any{r, memberships(s, r.Name)})
		for _, x := range stored(s, func(x StoredSetting) bool { return x.Role == r.Name && x.Database == "" }) {
			note(r.Name, x)
		}
	}
	for _, x := range s.Schemas {
		note(x.Name, []any{seen(x), s.Defaults})
	}
	for _, x := range s.Publications {
		note(x.Name, x)
	}
	for _, x := range s.Events {
		note(x.Name, x)
	}
	for i := range s.Functions {
		note(s.Functions[i].Signature(), s.Functions[i])
	}
	for i := range s.Relations {
		s.Relations[i].note(name, note)
	}
	if len(all) == 0 {
		return ""
	}
	return fingerprint(all)[:shortLength]
}

// shortLength is enough of a fingerprint to tell a changed definition by: people read it.
const shortLength = 16

// stored leaves out some of the settings: those of a role in every database are the role's, for
// roles that other databases use come and go.
func stored(s *Snapshot, keep func(StoredSetting) bool) []StoredSetting {
	return list.Filter(s.Stored, keep)
}

func memberships(s *Snapshot, role string) []Membership {
	return list.Filter(s.Memberships, func(m Membership) bool { return m.Member == role || m.Role == role })
}

// note passes on the relation and its parts.
func (r *Relation) note(name string, note func(string, any)) {
	own := r.QName().String()
	if !strings.HasPrefix(name, own) {
		return
	}
	note(own, *r)
	noteParts(note, own, r.Columns, func(x Column) string { return x.Name })
	noteParts(note, own, r.Constraints, func(x Constraint) string { return x.Name })
	noteParts(note, own, r.Indexes, func(x Index) string { return x.Name })
	noteParts(note, own, r.Policies, func(x Policy) string { return x.Name })
	noteParts(note, own, r.Triggers, func(x Trigger) string { return x.Name })
	noteParts(note, own, r.Rules, func(x Rule) string { return x.Name })
}

func noteParts[T any](note func(string, any), own string, parts []T, name func(T) string) {
	for _, x := range parts {
		note(own+"."+name(x), x)
	}
}

// InputTypes lists the types of the arguments that a call passes.
func (f *Function) InputTypes() []string {
	return list.Map(f.Inputs(), func(p Param) string { return p.Type })
}

// Signature names a function for people: schema.name(types).
func (f *Function) Signature() string {
	return f.QName().String() + "(" + strings.Join(f.InputTypes(), ",") + ")"
}
