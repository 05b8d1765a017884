package plan

import (
	"slices"
	"strings"
)

// theTenant stands for the tenant among the parameters, slot for a value that differs
// between requests of one shape. A driver can encode neither, so that a statement that
// was not bound fails.
type (
	theTenant struct{}
	slot      struct{ n int }
)

// Template turns a statement that was made with markers for values into one that
// [Statement.Bind] fills. It returns false, and the statement must not be used, when a
// marker ended somewhere else than as a parameter of its own.
func (s *Statement) Template(markers []string) bool {
	return !slices.ContainsFunc([]*Statement{s, s.Count}, func(one *Statement) bool {
		return one != nil && !one.template(markers)
	})
}

func (s *Statement) template(markers []string) bool {
	for i, arg := range s.Args {
		text, isText := arg.(string)
		if n := slices.Index(markers, text); isText && n >= 0 {
			s.Args[i] = slot{n}
			continue
		}
		if isText && holdsAny(text, markers) {
			return false
		}
	}
	return !holdsAny(s.SQL, markers)
}

func holdsAny(text string, markers []string) bool {
	return slices.ContainsFunc(markers, func(m string) bool { return strings.Contains(text, m) })
}

// Bind returns the parameters of the statement for one tenant. values are those of a
// [Statement.Template], in the order of its markers.
func (s *Statement) Bind(tenant string, values []string) []any {
	args := make([]any, len(s.Args))
	for i, arg := range s.Args {
		switch arg := arg.(type) {
		case theTenant:
			args[i] = tenant
		case slot:
			args[i] = values[arg.n]
		default:
			args[i] = arg
		}
	}
	return args
}
