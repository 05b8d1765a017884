package audit

import (
	"fmt"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/body"
)

var ruleFuncDefinerDynamic = Rule{
	ID: "func-definer-dynamic", Severity: Critical, Holes: []string{"V08", "V18"},
	Title: "A SECURITY DEFINER function runs SQL that it builds from text",
	check: func(f *facts) []Finding {
		var out []Finding
		for _, fn := range f.definers() {
			b := f.body(fn)
			if !f.takesText(fn, b) || f.trustedDynamic(fn, b) {
				continue
			}
			why := "The function runs SQL built from text, with the rights of its owner, " + fn.Owner + "."
			severity := High
			if t := f.bypassedTable(fn, func(*catalog.Relation) bool { return true }); t != nil {
				severity = Critical
				why += fmt.Sprintf(" The policies of %s do not bind that role.", t.QName())
			}
			out = append(out, onFunction(fn,
				"A caller who controls the text can read or change whatever the owner can: every tenant's rows.", why).
				at(severity).with(invokerSQL(fn)))
		}
		return out
	},
}

// takesText reports whether a function runs SQL that may be its caller's text.
func (f *facts) takesText(fn *catalog.Function, b *body.Uses) bool {
	return (b.Dynamic || b.Mentions(xmlFunctions...)) && (len(fn.Params) > 0 || fn.Result == "trigger")
}

// trustedDynamic reports whether what is put together cannot come from a caller: a
// trigger that quotes identifiers through format's %I alone.
func (f *facts) trustedDynamic(fn *catalog.Function, b *body.Uses) bool {
	if fn.Result != "trigger" {
		return false
	}
	for _, t := range b.Tokens {
		if t.Is("||") || containsVerb(t.Text, 's') {
			return false
		}
	}
	return true
}

// containsVerb reports whether a format string holds a verb such as %s or %1$s.
func containsVerb(text string, verb byte) bool {
	for i := 0; i+1 < len(text); i++ {
		if text[i] != '%' {
			continue
		}
		j := i + 1
		for j < len(text) && (text[j] >= '0' && text[j] <= '9' || text[j] == '$' || text[j] == '-') {
			j++
		}
		if j < len(text) && text[j] == verb {
			return true
		}
	}
	return false
}
