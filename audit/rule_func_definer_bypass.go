package audit

import (
	"fmt"

	"github.com/moat-db/moat/catalog"
)

var ruleFuncDefinerBypass = Rule{
	ID: "func-definer-bypass", Severity: Critical, Holes: []string{"V07", "V12"},
	Title: "A SECURITY DEFINER function bypasses the policies of a tenant table",
	Check: func(f *facts) []Finding {
		var out []Finding
		for _, fn := range f.definers() {
			b := f.body(fn)
			if b.Dynamic || b.Mentions(xmlFunctions...) {
				continue // func-definer-dynamic speaks
			}
			t := f.bypassedTable(fn, func(t *catalog.Relation) bool {
				reads, _ := b.Of(t.QName())
				return reads || b.Foreign
			})
			if t == nil || f.readsCaller(b) {
				continue
			}
			x := onFunction(fn,
				"Any tenant that can run the function can read or change other tenants' rows through it.",
				fmt.Sprintf("The function runs as its owner, %s, and the policies of %s do not bind that role. It does not "+
					"check which tenant is calling.", fn.Owner, t.QName())).
				with(invokerSQL(fn))
			out = append(out, x)
		}
		return out
	},
}
