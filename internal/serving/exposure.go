package serving

import (
	"slices"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/policy"
)

// Exposure is what one role may reach of a database: the role that read the catalog,
// which is the one that serves, or the one that it reads a tree of tenants by ([Below]).
// A guessed role would show what another may not.
type Exposure struct {
	*policy.View
	Role string
	// rights narrow what clients reach; nil where only the role's privileges count.
	rights map[catalog.QName]*right
}

// Expose returns the exposure of the role that a View was read as, whatever clients are
// to reach of it: [Door.Expose] says that.
func Expose(v *policy.View) *Exposure { return &Exposure{View: v, Role: v.Snapshot.User} }

// Uses reports whether the role may look into a schema.
func (x *Exposure) Uses(schema string) bool { return x.HasSchemaPrivilege(x.Role, schema, "USAGE") }

// May reports whether clients may run a command on the rows of a relation.
func (x *Exposure) May(r *catalog.Relation, command string) bool {
	return x.HasTablePrivilege(x.Role, r, command) && x.right(r, command).rows(command)
}

// MayColumn reports whether clients may read a column, or give it a value by INSERT or
// UPDATE: nobody can write one that the database computes.
func (x *Exposure) MayColumn(r *catalog.Relation, c *catalog.Column, command string) bool {
	return x.granted(r, c, command) && x.right(r, command).allows(c.Name, command)
}

// Hides reports whether clients do not see a column that the role may read.
func (x *Exposure) Hides(r *catalog.Relation, c *catalog.Column) bool {
	return x.granted(r, c, "SELECT") && !x.MayColumn(r, c, "SELECT")
}

// granted reports whether the role may do so.
func (x *Exposure) granted(r *catalog.Relation, c *catalog.Column, command string) bool {
	if command != "SELECT" && (c.Generated != "" || c.Identity == "always") {
		return false
	}
	return x.HasColumnPrivilege(x.Role, r, c.Name, command)
}

// Isolated reports whether the policies alone keep what the role reads of a relation to
// one tenant.
func (x *Exposure) Isolated(r *catalog.Relation) bool {
	return x.Effective(r, x.Role, "SELECT").Isolated()
}

// Hidden says why a relation is not served to anybody, and "" where it is served to
// those who hold a privilege on it.
func (x *Exposure) Hidden(r *catalog.Relation) string {
	switch own := x.rights[r.QName()]; {
	case own != nil && own.Hidden:
		return "it is configured to be hidden"
	case r.Schema == catalog.OwnSchema:
		return "it is moat's own"
	}
	switch r.Kind {
	case catalog.View:
		return x.hiddenView(r, map[catalog.QName]bool{})
	case catalog.MaterializedView:
		return x.hiddenMaterialized(r)
	case catalog.ForeignTable:
		if x.shared(r) {
			return ""
		}
		return "row-level security does not reach a foreign table"
	}
	if r.Partition {
		return "it is a partition: use the partitioned table"
	}
	return x.hiddenTable(r)
}

func (x *Exposure) shared(r *catalog.Relation) bool { return x.Class(r.QName()) == catalog.SharedTable }

func (x *Exposure) hiddenTable(r *catalog.Relation) string {
	switch {
	case x.shared(r):
		return ""
	case x.Class(r.QName()) == catalog.IgnoredTable:
		return "it is configured to be ignored"
	case !r.RLS:
		return "row-level security is off: run moat protect, or list it under tables.shared"
	case x.MemberOf(x.Role, r.Owner, catalog.Usage):
		return "the application role owns it"
	}
	return ""
}

// hiddenView accepts a view that runs with the caller's rights, or whose owner is
// bound by the policies of every table it reads.
func (x *Exposure) hiddenView(r *catalog.Relation, seen map[catalog.QName]bool) string {
	if seen[r.QName()] {
		return ""
	}
	seen[r.QName()] = true
	for _, base := range x.Bases(r) {
		if reason := x.hiddenBase(r, base, seen); reason != "" {
			return reason
		}
	}
	return ""
}

func (x *Exposure) hiddenBase(view, base *catalog.Relation, seen map[catalog.QName]bool) string {
	name := base.QName().String()
	switch base.Kind {
	case catalog.View:
		return x.hiddenView(base, seen)
	case catalog.MaterializedView:
		if reason := x.hiddenMaterialized(base); reason != "" {
			return "it reads " + name + ": " + reason
		}
		return ""
	case catalog.Sequence:
		return ""
	}
	switch {
	case x.shared(base):
		return ""
	case base.Kind == catalog.ForeignTable:
		return "it reads the foreign table " + name
	case !base.RLS:
		return "it reads " + name + ", whose row-level security is off"
	case view.SecurityInvoker:
		return ""
	case x.Bypasses(view.Owner, nil) != "":
		return "it runs as its owner, who bypasses row-level security: make it security_invoker"
	case x.Bypasses(view.Owner, base) != "":
		return "it runs as the owner of " + name + ", whose policies do not bind the owner"
	}
	return ""
}

// hiddenMaterialized accepts a materialized view of shared tables only: it holds rows
// and has no policies.
func (x *Exposure) hiddenMaterialized(r *catalog.Relation) string {
	notShared := func(base *catalog.Relation) bool { return !x.shared(base) }
	if !x.shared(r) && slices.ContainsFunc(x.Bases(r), notShared) {
		return "a materialized view has no policies"
	}
	return ""
}

// Bases are the relations that a view reads, in the order of the catalog.
func (x *Exposure) Bases(view *catalog.Relation) []*catalog.Relation {
	var all []*catalog.Relation
	for _, d := range x.Reads(view.QName()) {
		if r := x.Relation(d.On); d.Rule == "_RETURN" && r != nil && !slices.Contains(all, r) {
			all = append(all, r)
		}
	}
	return all
}

// Callable says why the role cannot call the function name without arguments, and ""
// where it can. The function need not be served.
func (x *Exposure) Callable(name catalog.QName) string {
	reason := "there is no such function"
	for _, f := range x.Functions(name) {
		switch {
		case f.Kind != "function":
			reason = "it is a " + f.Kind + ", not a function"
		case slices.ContainsFunc(f.Params, required):
			reason = "it takes arguments"
		case !x.HasFunctionPrivilege(x.Role, f):
			reason = "the role " + x.Role + " may not execute it"
		case !x.Uses(name.Schema):
			reason = "the role " + x.Role + " may not use the schema " + name.Schema
		default:
			return ""
		}
	}
	return reason
}

func required(p catalog.Param) bool {
	return (p.Mode == "in" || p.Mode == "inout") && !p.HasDefault
}
