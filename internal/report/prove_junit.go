package report

import (
	"io"
	"strconv"
	"strings"

	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/prove"
)

// ProveJUnit writes a report as JUnit XML: a leak is a failure, an undecided probe
// an error, what was not tried goes to system-out.
func ProveJUnit(w io.Writer, r *prove.Report) error {
	s := junitSuite{Name: token("moat prove " + r.Context.Target), Package: "moat.prove", Hostname: "localhost",
		Time:      strconv.FormatFloat(float64(r.Context.DurationMS)/1000, 'f', 3, 64),
		Timestamp: r.Context.Started.UTC().Format(junitTime),
		Tests:     len(r.Probes), Failures: r.Count(prove.VerdictLeak), Errors: r.Count(prove.VerdictUndecided),
		Properties: []junitProperty{{"verdict", string(r.Verdict)}, {"summary", printable(r.Sentence())},
			{"role", printable(r.Context.Role)},
			{"mode", string(r.Context.Mode)}}}
	for _, p := range r.Probes {
		c := junitCase{Name: token(p.Attack), Class: token(p.Object), Time: "0"}
		f := &junitOutcome{Message: printable(p.Reason), Type: string(p.Verdict), Text: printable(p.Script)}
		switch p.Verdict {
		case prove.VerdictLeak:
			c.Failure = f
		case prove.VerdictUndecided:
			c.Error = f
		}
		s.Cases = append(s.Cases, c)
	}
	s.Out = printable(proveNotes(r))
	return writeJUnit(w, s)
}

// proveNotes says what the cases do not: what was shared, left out, accepted, not tried.
func proveNotes(r *prove.Report) string {
	var b strings.Builder
	section := func(title string, lines []string) {
		if len(lines) > 0 {
			b.WriteString(title + ":\n" + strings.Join(lines, "\n") + "\n")
		}
	}
	for _, n := range r.Notes() {
		lines := list.Map(n.List, func(x prove.Noted) string { return x.Object + ": " + x.Reason })
		section(strings.ToLower(n.Title), lines)
	}
	section("accepted", list.Map(r.Accepted, func(x prove.Accepted) string {
		return x.Attack + " on " + x.Object + " until " + x.Expires + ": " + x.Reason
	}))
	section("entries of the baseline that do not count", sentences(r.Reopened))
	section("not tried", r.NotTried)
	return strings.TrimSuffix(b.String(), "\n")
}
