package prove_test

import (
	"testing"

	"github.com/moat-db/moat/prove"
)

func show(t *testing.T, r *prove.Report, want ...prove.Verdict) {
	t.Helper()
	for _, p := range r.Probes {
		for _, v := range want {
			if p.Verdict == v {
				t.Logf("%s %s: %s\n%s", p.Verdict, p.ID, p.Reason, p.Script)
			}
		}
	}
}

func TestProtectedSchemaIsIsolated(t *testing.T) {
	t.Parallel()
	for name, statements := range map[string][]string{"with rows": {rows}, "empty": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newFixture(t, statements...).prove(t, prove.Options{})
			t.Logf("%d probes, %d ms, %q", len(r.Probes), r.Context.DurationMS, r.NotTried)
			if r.Verdict != prove.VerdictIsolated {
				show(t, r, prove.VerdictLeak, prove.VerdictUndecided)
				t.Errorf("verdict = %s: %d leaks, %d undecided", r.Verdict, r.Count(prove.VerdictLeak), r.Count(prove.VerdictUndecided))
			}
		})
	}
}
