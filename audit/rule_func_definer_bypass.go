package audit

import (
	"fmt"

	"github.com/moat-db/moat/catalog"
)

var ruleFuncDefinerBypass = Rule{
	ID: "func-definer-bypass", Severity: Critical, Holes: []string{"V07", "V12"},
	Title: "A SECURITY DEFINER function reads or writes tenant rows past their policies",
	Check: func(f *facts) []Finding {
		var out []Finding
		for _, fn := range f.definers() {
			b := f.body(fn)
			if b.Dynamic || b.Mentions(xmlFunctions...) {
				continue // func-definer-dynamic speaks
			}
			t := f.passesBy(fn, func(t *catalog.Relation) bool {
				reads, _ := b.Of(t.QName())
				return reads || b.Foreign
			})
			if t == nil || f.knowsCaller(b) {
				continue
			}
			x := onFunction(fn,
				"Any tenant that can run the function reads or changes other tenants' rows through it.",
				fmt.Sprintf("It runs as its owner, %s, whom the policies of %s do not bind, and does not ask whose tenant is calling.", fn.Owner, t.QName())).
				with(invokerSQL(fn))
			out = append(out, x)
		}
		return out
	},
}
