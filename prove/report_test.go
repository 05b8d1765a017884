package prove_test

import (
	"slices"
	"strconv"
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

// The verdict names what it is not about: the first of many.
func TestSentenceNamesWhatIsNotIsolated(t *testing.T) {
	t.Parallel()
	r := prove.NewReport()
	r.Add(prove.Probe{Attack: "read", Object: "app.leads", Verdict: prove.VerdictIsolated})
	if got, want := r.Finish().Sentence(), "isolated: 1 probe, 1 isolated, 0 leaks, 0 undecided"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	r.Shared = []prove.Noted{{Object: "app.users"}, {Object: "app.plans"}}
	for i := range 7 {
		r.LeftOut = append(r.LeftOut, prove.Noted{Object: "old.t" + strconv.Itoa(i)})
	}
	want := "isolated, not counting app.users and app.plans, which every tenant reads, nor old.t0, old.t1, " +
		"old.t2, old.t3, old.t4 and 2 more, left out: 1 probe, 1 isolated, 0 leaks, 0 undecided, " +
		"2 shared by every tenant, 7 left out"
	if got := r.Sentence(); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
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
