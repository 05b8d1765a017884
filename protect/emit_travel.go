package protect

import (
	"fmt"
	"strings"

	"github.com/moat-db/moat/internal/sqltext"
)

// Conditions under which a statement of a file is left out, with a warning.
const (
	notAllowed = "insufficient_privilege OR undefined_object OR undefined_function OR invalid_schema_name"
	noSuchRole = "undefined_object"
)

// travelling is the step as it runs in another database than the one it was planned on, by
// an owner with CREATEROLE: what that role may not is left out, and said; a role that is
// not there has no rights to lose.
func (s Step) travelling() Step {
	switch {
	case s.Superuser:
		s.SQL, s.Undo = []string{attempt(s.Title, notAllowed, s.SQL)}, []string{attempt(s.Title, notAllowed, s.Undo)}
	case strings.HasPrefix(s.ID, "enforce/revoke/"):
		s.SQL, s.Undo = eachRight(s.Title, s.SQL), eachRight(s.Title, s.Undo)
	default:
		s.SQL = withoutGuard(s.Title, s.SQL)
	}
	return s
}

// eachRight wraps each right that is given or taken, with the role that has to do it.
func eachRight(title string, statements []string) []string {
	var out []string
	for i := 0; i < len(statements); i++ {
		one := statements[i : i+1]
		if strings.HasPrefix(one[0], "SET LOCAL ROLE ") && i+2 < len(statements) {
			one = statements[i : i+3]
			i += 2
		}
		out = append(out, attempt(title, noSuchRole, one))
	}
	return out
}

// withoutGuard lets a database without the guard do without telling it.
func withoutGuard(title string, statements []string) []string {
	out := make([]string, len(statements))
	for i, q := range statements {
		out[i] = q
		if strings.HasPrefix(q, "SELECT moat.remember(") {
			out[i] = attempt(title, notAllowed, []string{q})
		}
	}
	return out
}

// attempt runs statements together, or none of them where the server answers with one of
// the conditions.
func attempt(title, conditions string, statements []string) string {
	if len(statements) == 0 {
		return "SELECT 1"
	}
	var b strings.Builder
	b.WriteString("BEGIN\n")
	for _, q := range statements {
		fmt.Fprintf(&b, "  EXECUTE %s;\n", sqltext.Dollar(q))
	}
	fmt.Fprintf(&b, "EXCEPTION WHEN %s THEN\n  RAISE WARNING %s, SQLERRM;\nEND", conditions,
		sqltext.Literal("moat: left out: "+strings.ReplaceAll(title, "%", "%%")+": %"))
	return "DO " + sqltext.Dollar(b.String())
}
