package body

import (
	"slices"
	"strings"

	"github.com/moat-db/moat/internal/sqltext"
)

// Notifies reports whether the body sends a notification that says more than that something
// happened: one whose channel or payload is made of values.
func (u *Uses) Notifies() bool {
	for i, t := range u.Tokens {
		switch {
		case t.Is("pg_notify") && u.At(i+1).Is("("):
			if u.tells(i+2, ")") {
				return true
			}
		case t.Is("execute") && u.composed(i+1):
			if u.sendsNotify(i + 1) {
				return true
			}
		}
	}
	return false
}

// ofNoRow are words of a call that stand for no value of a row.
var ofNoRow = []string{"tg_op", "tg_table_name", "tg_table_schema", "tg_relname", "tg_name", "tg_when", "null", "text"}

// tells reports whether names of values stand between a token and the end of its level.
func (u *Uses) tells(at int, end string) bool {
	for depth := 0; at < len(u.Tokens); at++ {
		switch t := u.At(at); {
		case depth == 0 && t.Is(end):
			return false
		case t.Is("("):
			depth++
		case t.Is(")"):
			depth--
		case t.IsName() && !slices.ContainsFunc(ofNoRow, t.Is):
			return true
		}
	}
	return false
}

// sendsNotify reports whether a statement that is put together begins with NOTIFY.
func (u *Uses) sendsNotify(at int) bool {
	for ; at < len(u.Tokens) && !u.is(at, ";"); at++ {
		if t := u.At(at); t.Kind == sqltext.String {
			return strings.HasPrefix(strings.ToLower(strings.TrimSpace(t.Value())), "notify")
		}
	}
	return false
}

// Raised are the names in what RAISE statements say beside their formats, in lower case.
func (u *Uses) Raised() []string {
	var names []string
	for i := range u.Tokens {
		if !u.is(i, "raise") {
			continue
		}
		said := false
		for at := i + 1; at < len(u.Tokens) && !u.is(at, ";"); at++ {
			said = said || u.is(at, ",") || u.is(at, "using")
			if t := u.At(at); said && t.IsName() && !slices.ContainsFunc(ofNoRow, t.Is) {
				names = append(names, strings.ToLower(t.Name()))
			}
		}
	}
	return names
}
