package audit

import (
	"slices"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/list"
)

// callable reports whether an application role's statements can run a function: by
// calling it or an aggregate of it, or by writing to a table that has it as a trigger.
func (f *facts) callable(fn *catalog.Function) bool {
	if fn.Result != "trigger" && fn.Result != "event_trigger" {
		return len(f.apps) == 0 || f.appMay(fn.Privileges, "EXECUTE") || f.aggregated(fn)
	}
	return slices.ContainsFunc(f.look.Triggered(fn.QName()), func(r *catalog.Relation) bool {
		return f.appTouches(r, "INSERT", "UPDATE", "DELETE", "TRUNCATE")
	})
}

// aggregated reports whether an application role may run an aggregate of the function: the
// right to the function itself is then the owner's of the aggregate to have.
func (f *facts) aggregated(fn *catalog.Function) bool {
	return slices.ContainsFunc(f.userFunctions, func(a *catalog.Function) bool {
		return slices.Contains(a.Parts, fn.OID) && f.appMay(a.Privileges, "EXECUTE")
	})
}

// definers returns the SECURITY DEFINER functions of users that an application
// role's statements can run.
func (f *facts) definers() []*catalog.Function {
	return list.Filter(f.userFunctions, func(fn *catalog.Function) bool {
		return fn.Definer && fn.Result != "event_trigger" && f.callable(fn)
	})
}

// bypassedTable returns the first tenant table whose policies do not bind a function's
// owner and that uses says the function concerns.
func (f *facts) bypassedTable(fn *catalog.Function, uses func(*catalog.Relation) bool) *catalog.Relation {
	for _, t := range f.tenantTables {
		if f.bypassesPolicies(fn.Owner, t) && uses(t) {
			return t
		}
	}
	return nil
}

func invokerSQL(fn *catalog.Function) string {
	return "ALTER " + routine(fn) + " " + functionSQL(fn) + " SECURITY INVOKER"
}

// xmlFunctions run SQL that they are given as text.
var xmlFunctions = []string{"query_to_xml", "query_to_xml_and_xmlschema", "query_to_xmlschema", "cursor_to_xml",
	"ts_stat", "table_to_xml", "schema_to_xml", "database_to_xml"}
