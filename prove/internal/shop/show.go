package shop

import (
	"testing"

	"github.com/moat-db/moat/prove"
)

// Show logs the probes with one of the verdicts.
func Show(t *testing.T, r *prove.Report, want ...prove.Verdict) {
	t.Helper()
	for _, p := range r.Probes {
		for _, v := range want {
			if p.Verdict == v {
				t.Logf("%s %s: %s\n%s", p.Verdict, p.ID, p.Reason, p.Script)
			}
		}
	}
}

// Listed fails the test for each probe that the registry does not know.
func Listed(t testing.TB, room prove.Room, r *prove.Report) {
	t.Helper()
	for _, p := range r.Probes {
		if prove.Registered(room, p.Attack) == nil {
			t.Errorf("%s: the registry does not list %q", p.ID, p.Attack)
		}
	}
}
