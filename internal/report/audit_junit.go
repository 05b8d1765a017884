package report

import (
	"encoding/xml"
	"io"
	"strings"

	"github.com/moat-db/moat/audit"
)

type auditSuites struct {
	XMLName xml.Name     `xml:"testsuites"`
	Suites  []auditSuite `xml:"testsuite"`
}

type auditSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Cases    []auditCase `xml:"testcase"`
}

type auditCase struct {
	Name    string        `xml:"name,attr"`
	Class   string        `xml:"classname,attr"`
	Skipped *auditOutcome `xml:"skipped"`
	Error   *auditOutcome `xml:"error"`
	Failure *auditOutcome `xml:"failure"`
}

type auditOutcome struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr,omitempty"`
	Text    string `xml:",chardata"`
}

// AuditJUnit writes a report as JUnit XML: a rule that found nothing is a passed
// case, a finding from failOn on a failure, a lesser or accepted one skipped, and
// what was not seen an error.
func AuditJUnit(w io.Writer, r *audit.Report, failOn audit.Severity) error {
	s := auditSuite{Name: "moat audit " + printable(r.Database)}
	found := map[string]bool{}
	for _, x := range r.Findings {
		found[x.Rule] = true
		c := auditCase{Name: printable(x.Object), Class: x.Rule}
		o := &auditOutcome{Message: printable(x.Message), Type: string(x.Severity), Text: printable(findingText(x))}
		if x.Severity.AtLeast(failOn) {
			c.Failure = o
			s.Failures++
		} else {
			c.Skipped = &auditOutcome{Message: printable(string(x.Severity) + ": " + x.Message)}
			s.Skipped++
		}
		s.Cases = append(s.Cases, c)
	}
	for _, x := range r.Accepted {
		found[x.Rule] = true
		s.Skipped++
		s.Cases = append(s.Cases, auditCase{Name: printable(x.Object), Class: x.Rule, Skipped: &auditOutcome{Message: printable("accepted: " + x.Reason)}})
	}
	for _, u := range r.Unseen {
		s.Errors++
		s.Cases = append(s.Cases, auditCase{Name: printable(u), Class: "not seen", Error: &auditOutcome{Message: printable(u), Type: "not seen"}})
	}
	for _, rule := range audit.Rules() {
		if !found[rule.ID] {
			s.Cases = append(s.Cases, auditCase{Name: rule.Title, Class: rule.ID})
		}
	}
	s.Tests = len(s.Cases)
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(auditSuites{Suites: []auditSuite{s}}); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// findingText is a finding without its heading.
func findingText(x audit.Finding) string {
	parts := []string{x.Message, x.Why}
	if x.File != "" {
		parts = append(parts, x.File)
	}
	for _, sql := range x.Fix {
		parts = append(parts, sql+";")
	}
	if x.Decision != "" {
		parts = append(parts, "Decide: "+x.Decision)
	}
	return strings.Join(parts, "\n")
}
