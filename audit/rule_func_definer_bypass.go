package audit

import (
	"fmt"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/body"
)

var ruleFuncDefinerBypass = Rule{
	ID: "func-definer-bypass", Severity: Critical,
	Holes: []string{"V07", "V12", "V24", "V27", "V28", "V30", "V33", "V34", "V35", "V36",
		"V37", "V39", "V40", "V41"},
	Title: "A SECURITY DEFINER function bypasses the policies of a tenant table",
	check: each((*facts).definers, func(f *facts, fn *catalog.Function, report reporter) {
		b := f.body(fn)
		if f.takesText(fn, b) {
			return // func-definer-dynamic speaks
		}
		whole := b.Dynamic || b.Mentions(xmlFunctions...) // a text of its own, of whatever table
		t := f.bypassedTable(fn, func(t *catalog.Relation) bool {
			reads, _ := b.Of(t.QName())
			return reads || b.Foreign || whole
		})
		if t == nil {
			t = f.past(fn, b)
		}
		if t == nil {
			return
		}
		if f.tellsTenant(fn, t) {
			report(onTenantLookup(fn, t))
			return
		}
		asked := f.follow(fn)
		if b.Foreign || whole && asked.open == "" && !f.asks(b) {
			asked.open = t.QName().String()
		}
		switch {
		case asked.open != "" && f.asks(b):
			report(onUnasked(fn, asked))
			return
		case asked.open == "" && asked.secret != "":
			report(onSecret(fn, asked.secret))
			return
		case asked.open == "":
			return
		}
		x := onFunction(fn,
			"Any tenant that can run the function can read or change other tenants' rows through it.",
			fmt.Sprintf("The function runs as its owner, %s, and the policies of %s do not bind that role. It does not "+
				"check which tenant is calling.", fn.Owner, t.QName())).
			with(invokerSQL(fn))
		report(x)
	}),
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

// asks reports whether a body asks who the caller is, by itself or by a function with
// arguments that does.
func (f *facts) asks(b *body.Uses) bool {
	if f.readsCaller(b) {
		return true
	}
	for name := range f.asking {
		if b.Words[name] {
			return true
		}
	}
	return false
}

// onUnasked is the finding of a function that asks who is calling, but not there where it
// touches a table: nobody can tell from its text that it keeps to the caller's rows.
func onUnasked(fn *catalog.Function, a *asking) Finding {
	why := "It asks who is calling, but no condition of the statement that touches %s does, and no check before it ends " +
		"the function for everybody else."
	if a.null {
		why += " A check that it has lets NULL pass: IF NULL <> … and IF NOT NULL do nothing."
	}
	if a.unset {
		why += " Where no tenant is set, coalesce compares a column with itself, which holds for every row."
	}
	x := onFunction(fn, "A tenant may read or change other tenants' rows through the function.",
		fmt.Sprintf(why, a.open))
	x.Severity = High
	return x.decide("Put the tenant into the statement's own WHERE, or check first: IF … IS NOT TRUE THEN RAISE EXCEPTION")
}

// onSecret is the finding of a function that serves whoever knows a secret, as the link of an
// invitation does.
func onSecret(fn *catalog.Function, column string) Finding {
	x := onFunction(fn, "Whoever knows a value of "+column+" reads or uses its row, whatever their tenant.",
		"It finds rows by that value, and a caller has to know one.")
	x.Severity = Low
	return x.decide("Keep it if nobody can guess the values, and if they expire")
}
