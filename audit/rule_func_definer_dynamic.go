package audit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/body"
	"github.com/moat-db/moat/internal/sqltext"
)

var ruleFuncDefinerDynamic = Rule{
	ID: "func-definer-dynamic", Severity: Critical, Holes: []string{"V08", "V18", "V29"},
	Title: "A SECURITY DEFINER function runs SQL that it builds from text",
	check: each((*facts).definers, func(f *facts, fn *catalog.Function, report reporter) {
		b := f.body(fn)
		if !f.takesText(fn, b) || f.trustedDynamic(fn, b) {
			return
		}
		why := "The function runs SQL built from text, with the rights of its owner, " + fn.Owner + "."
		severity := High
		if t := f.bypassedTable(fn, func(*catalog.Relation) bool { return true }); t != nil {
			severity = Critical
			why += fmt.Sprintf(" The policies of %s do not bind that role.", t.QName())
		}
		report(onFunction(fn,
			"A caller who controls the text can read or change whatever the owner can: every tenant's rows.", why).
			at(severity).with(invokerSQL(fn)))
	}),
}

// takesText reports whether a function runs SQL that may be its caller's text.
func (f *facts) takesText(fn *catalog.Function, b *body.Uses) bool {
	return (b.Dynamic || b.Mentions(xmlFunctions...)) && (len(fn.Params) > 0 || fn.Result == "trigger")
}

// trustedDynamic reports whether what is put together cannot come from a caller: a
// trigger that quotes identifiers through format's %I alone.
func (f *facts) trustedDynamic(fn *catalog.Function, b *body.Uses) bool {
	if fn.Result != "trigger" || runsRow(b.Tokens) {
		return false
	}
	return !slices.ContainsFunc(b.Tokens, func(t sqltext.Token) bool { return t.Is("||") || containsVerb(t.Text, 's') })
}

// runsRow reports whether a trigger runs a text that stands in the row.
func runsRow(tokens []sqltext.Token) bool {
	taken := map[string]bool{} // variables that hold a part of the row
	row := func(i int) bool { return i < len(tokens) && (tokens[i].Is("new") || tokens[i].Is("old")) }
	for i, t := range tokens {
		assigns := i > 0 && (t.Is(":=") || t.Is("=") || t.Is("default"))
		switch {
		case assigns && row(i+1):
			taken[strings.ToLower(variable(tokens[:i]))] = true
		case t.Is("execute") && (row(i+1) || i+1 < len(tokens) && taken[strings.ToLower(tokens[i+1].Name())]):
			return true
		}
	}
	return false
}

// variable is what an assignment sets: v := …, or v text := … where it is declared.
func variable(before []sqltext.Token) string {
	start := len(before)
	for start > 0 && !slices.ContainsFunc([]string{";", "declare", "begin", "then", "else", "loop"}, before[start-1].Is) {
		start--
	}
	if start == len(before) {
		return ""
	}
	return before[start].Name()
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
