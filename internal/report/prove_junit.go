package report

import (
	"io"
	"strconv"
	"strings"

	"github.com/moat-db/moat/prove"
)

// ProveJUnit writes a report as JUnit XML: a leak is a failure, an undecided probe
// an error, what was not tried goes to system-out.
func ProveJUnit(w io.Writer, r *prove.Report) error {
	s := junitSuite{Name: token("moat prove " + r.Context.Target), Package: "moat.prove", Hostname: "localhost",
		Time:      strconv.FormatFloat(float64(r.Context.DurationMS)/1000, 'f', 3, 64),
		Timestamp: r.Context.Started.UTC().Format(junitTime),
		Tests:     len(r.Probes), Failures: r.Count(prove.VerdictLeak), Errors: r.Count(prove.VerdictUndecided),
		Properties: []junitProperty{{"verdict", string(r.Verdict)}, {"role", printable(r.Context.Role)},
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
	if len(r.NotTried) > 0 {
		s.Out = "not tried:\n" + printable(strings.Join(r.NotTried, "\n"))
	}
	return writeJUnit(w, s)
}
