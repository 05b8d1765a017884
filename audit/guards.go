package audit

import (
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
)

// guard is an event trigger that watches over row-level security, with its function.
type guard struct {
	event *catalog.EventTrigger
	fn    *catalog.Function
}

// guards returns the event triggers whose function mentions row-level security or
// policies.
func (f *facts) guards() []guard {
	var out []guard
	for e := range catalog.Each(f.s.Events) {
		for _, fn := range f.look.Functions(e.Function) {
			speaksOf := func(what string) bool { return strings.Contains(strings.ToLower(fn.Body), what) }
			if slices.ContainsFunc([]string{"row level security", "relrowsecurity", "policy"}, speaksOf) {
				out = append(out, guard{e, fn})
				break
			}
		}
	}
	return out
}

// guarded reports whether a guard enables row-level security on new tables.
func (f *facts) guarded() bool {
	return slices.ContainsFunc(f.guards(), func(g guard) bool {
		return g.event.Event == "ddl_command_end" && g.event.Enabled != "disabled" &&
			strings.Contains(strings.ToLower(g.fn.Body), "enable row level security")
	})
}
