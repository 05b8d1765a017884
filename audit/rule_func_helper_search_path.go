package audit

import (
	"cmp"
	"fmt"
)

var ruleFuncHelperSearchPath = Rule{
	ID: "func-helper-search-path", Severity: Critical, Holes: []string{"P21"}, Peer: "function_search_path_mutable",
	Title: "A function that a policy calls looks up tables where the caller can create them",
	check: each(allHelpers, func(f *facts, h helper, report reporter) {
		fn := h.fn
		if fn.Definer || fn.BodyParsed || tempLast(fn) || fn.Extension != "" || !f.runs(fn.Language) {
			return // definers: func-definer-search-path
		}
		b := f.body(fn)
		if len(b.Tables) == 0 && !b.Dynamic {
			return // func-search-path speaks: who can redirect it can set the tenant as well
		}
		name := b.Unqualified()
		if name == "" && !b.Dynamic && !f.appCreates() {
			return
		}
		report(onFunction(fn,
			"A temporary table or operator of the caller's decides what the policy lets through: every tenant's rows.",
			fmt.Sprintf("The policy %s of %s calls this function, which finds %s along the caller's search_path.",
				h.policy, h.table.QName(), cmp.Or(name, "operators"))).
			with(searchPathSQL(fn)))
	}),
}

// appCreates reports whether an application role may create objects in some schema.
func (f *facts) appCreates() bool {
	for _, sch := range f.s.Schemas {
		if len(f.grantsToApps(sch.Privileges, "CREATE", "\x00")) > 0 {
			return true
		}
	}
	return f.appMay(f.s.Database.Privileges, "CREATE")
}
