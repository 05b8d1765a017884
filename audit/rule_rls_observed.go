package audit

import (
	"fmt"
	"time"

	"github.com/moat-db/moat/internal/english"
	"github.com/moat-db/moat/policy"
)

var ruleRLSObserved = Rule{
	ID: "rls-observed", Severity: Critical,
	Title: "Row-level security is only observed: it notes what it would hide, and hides nothing",
	check: func(f *facts) []Finding {
		var tables []string
		for i := range f.s.Relations {
			if r := &f.s.Relations[i]; policy.Observed(r) {
				tables = append(tables, r.QName().String())
			}
		}
		if len(tables) == 0 {
			return nil
		}
		return []Finding{f.onDatabase(fmt.Sprintf("Every tenant reads and changes the rows of all others in %s, such as "+
			"%s: their policies let everything through and note it.", english.Count(len(tables), "table"), tables[0]),
			"Group observe of moat protect stands"+f.observedFor()+".").decide("Look at moat observe. When it is clean, run " +
			"moat protect --apply --until enforce; to stop, moat protect --undo --apply.")}
	},
}

// observedFor says since when, and how many days that is.
func (f *facts) observedFor() string {
	since := f.look.ObservedSince()
	if since.IsZero() {
		return ", since an unknown time"
	}
	text := " since " + since.UTC().Format("2006-01-02 15:04 UTC")
	switch days := int(f.o.Today.Sub(since) / (24 * time.Hour)); {
	case days > 0:
		text += ", for " + english.Count(days, "day")
	case f.o.Today.After(since):
		text += ", for less than a day"
	}
	return text
}
