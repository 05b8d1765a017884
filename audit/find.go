package audit

import (
	"fmt"

	"github.com/moat-db/moat/catalog"
)

// onRelation starts a finding about a relation.
func onRelation(r *catalog.Relation, message, why string) Finding {
	name := r.QName().String()
	return Finding{Object: name, Group: name, Message: message, Why: why, schema: r.Schema}
}

// onPart starts a finding about something of a relation: a policy, an index, …
func onPart(r *catalog.Relation, part, message, why string) Finding {
	x := onRelation(r, message, why)
	x.Object += "." + part
	return x
}

func onFunction(fn *catalog.Function, message, why string) Finding {
	name := fn.Signature()
	x := Finding{Object: name, Group: name, Message: message, Why: why, schema: fn.Schema}
	if fn.System || fn.Extension != "" {
		x.schema = "" // whatever schema it is in, every session has it
	}
	return x
}

func onRole(role, message, why string) Finding {
	return Finding{Object: role, Group: "roles", Message: message, Why: why}
}

func onSchema(name, message, why string) Finding {
	return Finding{Object: name, Group: "schemas", Message: message, Why: why}
}

func (f *facts) onDatabase(message, why string) Finding {
	return Finding{Object: f.s.Database.Name, Group: "database", Message: message, Why: why}
}

func onServer(message, why string) Finding {
	return Finding{Object: "server", Group: "server", Message: message, Why: why}
}

// with sets the SQL that closes the hole.
func (x Finding) with(fix ...string) Finding {
	x.Fix = append(x.Fix, fix...)
	return x
}

// decide sets what a person must decide.
func (x Finding) decide(format string, args ...any) Finding {
	x.Decision = fmt.Sprintf(format, args...)
	return x
}

func (x Finding) at(s Severity) Finding {
	x.Severity = s
	return x
}
