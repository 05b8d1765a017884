package prove_test

import (
	"slices"
	"testing"

	"github.com/moat-db/moat/prove"
)

// One leak is a leak; nothing tried, or something undecided, proves nothing.
func TestVerdictOfAReport(t *testing.T) {
	t.Parallel()
	isolated, leak, undecided := prove.VerdictIsolated, prove.VerdictLeak, prove.VerdictUndecided
	for _, c := range []struct {
		probes []prove.Verdict
		want   prove.Verdict
	}{
		{nil, undecided},
		{[]prove.Verdict{isolated, isolated}, isolated},
		{[]prove.Verdict{isolated, undecided}, undecided},
		{[]prove.Verdict{undecided, leak, isolated}, leak},
	} {
		r := prove.NewReport()
		for _, v := range c.probes {
			r.Add(prove.Probe{Attack: "read", Object: "app.leads", Verdict: v})
		}
		if got := r.Finish().Verdict; got != c.want {
			t.Errorf("%q: %s, want %s", c.probes, got, c.want)
		}
	}
}

func TestProbesOfOneNameGetIDsOfTheirOwn(t *testing.T) {
	t.Parallel()
	r := prove.NewReport()
	for range 3 {
		r.Add(prove.Probe{Attack: "read", Object: "app.leads"})
	}
	var got []string
	for _, p := range r.Probes {
		got = append(got, p.ID)
	}
	if want := []string{"read:app.leads", "read:app.leads#2", "read:app.leads#3"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
