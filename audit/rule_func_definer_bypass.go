package audit

import (
	"fmt"

	"github.com/moat-db/moat/catalog"
)

var ruleFuncDefinerBypass = Rule{
	ID: "func-definer-bypass", Severity: Critical, Holes: []string{"V07", "V12"},
	Title: "A SECURITY DEFINER function bypasses the policies of a tenant table",
	check: func(f *facts) []Finding {
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
			if f.tellsTenant(fn, t) {
				out = append(out, onTenantLookup(fn, t))
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

// onTenantLookup is the finding of a function that a login needs: it is meant to be asked
// before a tenant is known.
func onTenantLookup(fn *catalog.Function, t *catalog.Relation) Finding {
	x := onFunction(fn,
		"Whoever can run the function can ask to which tenant a value of "+t.QName().String()+" belongs.",
		"It returns the tenant of one row, found by a unique value that the caller has to know.")
	x.Severity = Low
	return x.decide("Keep it if the value is a secret, such as the hash of an API key; a list of e-mail addresses or " +
		"slugs can be tried out")
}
