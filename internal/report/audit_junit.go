package report

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/moat-db/moat/audit"
	"github.com/moat-db/moat/internal/list"
)

// AuditJUnit writes a report as JUnit XML: a rule that found nothing is a passed
// case, a finding from failOn on a failure, and what was not seen an error. Lesser
// and accepted findings are passed cases that system-out tells about.
func AuditJUnit(w io.Writer, r *audit.Report, failOn audit.Severity, now time.Time) error {
	s := junitSuite{Name: token("moat audit " + r.Database), Package: "moat.audit", Hostname: "localhost", Time: "0",
		Timestamp:  now.UTC().Format(junitTime),
		Properties: []junitProperty{{"verdict", printable(r.Verdict)}, {"fail_on", string(failOn)}}}
	found := map[string]bool{}
	var out strings.Builder
	for _, x := range r.Findings {
		found[x.Rule] = true
		c := junitCase{Name: token(x.Object), Class: x.Rule, Time: "0"}
		if x.Severity.AtLeast(failOn) {
			c.Failure = &junitOutcome{Message: printable(x.Message), Type: string(x.Severity), Text: printable(findingText(x))}
			s.Failures++
		} else {
			fmt.Fprintf(&out, "%s %s %s: %s\n", x.Severity, x.Rule, x.Object, x.Message)
		}
		s.Cases = append(s.Cases, c)
	}
	for _, x := range r.Accepted {
		found[x.Rule] = true
		fmt.Fprintf(&out, "accepted %s %s: %s\n", x.Rule, x.Object, x.Reason)
		s.Cases = append(s.Cases, junitCase{Name: token(x.Object), Class: x.Rule, Time: "0"})
	}
	for _, x := range r.Reopened {
		fmt.Fprintf(&out, "does not count: %s\n", x)
	}
	for _, u := range r.Unseen {
		s.Errors++
		s.Cases = append(s.Cases, junitCase{Name: token(u), Class: "not-seen", Time: "0",
			Error: &junitOutcome{Message: printable(u), Type: "not seen"}})
	}
	for _, rule := range audit.Rules() {
		if !found[rule.ID] {
			s.Cases = append(s.Cases, junitCase{Name: rule.Title, Class: rule.ID, Time: "0"})
		}
	}
	s.Tests, s.Out = len(s.Cases), printable(out.String())
	return writeJUnit(w, s)
}

// findingText is a finding without its heading.
func findingText(x audit.Finding) string {
	parts := []string{x.Message, x.Why}
	if x.File != "" {
		parts = append(parts, fmt.Sprintf("%s:%d", x.File, x.Line))
	}
	parts = append(parts, list.Map(x.Fix, func(sql string) string { return sql + ";" })...)
	if x.Decision != "" {
		parts = append(parts, "Decide: "+x.Decision)
	}
	return strings.Join(parts, "\n")
}
