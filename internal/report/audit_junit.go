package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/moat-db/moat/audit"
)

// The elements of JUnit XML, in the order and with the attributes that both schemas in
// use, Ant's and Jenkins', accept. Neither of them knows the other's "skipped".
type auditSuites struct {
	XMLName xml.Name     `xml:"testsuites"`
	Suites  []auditSuite `xml:"testsuite"`
}

type auditSuite struct {
	Name       string          `xml:"name,attr"`
	Package    string          `xml:"package,attr"`
	ID         int             `xml:"id,attr"`
	Timestamp  string          `xml:"timestamp,attr"`
	Hostname   string          `xml:"hostname,attr"`
	Tests      int             `xml:"tests,attr"`
	Failures   int             `xml:"failures,attr"`
	Errors     int             `xml:"errors,attr"`
	Time       string          `xml:"time,attr"`
	Properties []auditProperty `xml:"properties>property"`
	Cases      []auditCase     `xml:"testcase"`
	Out        string          `xml:"system-out"`
	Err        string          `xml:"system-err"`
}

type auditProperty struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

type auditCase struct {
	Name    string        `xml:"name,attr"`
	Class   string        `xml:"classname,attr"`
	Time    string        `xml:"time,attr"`
	Error   *auditOutcome `xml:"error"`
	Failure *auditOutcome `xml:"failure"`
}

type auditOutcome struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	Text    string `xml:",chardata"`
}

// AuditJUnit writes a report as JUnit XML: a rule that found nothing is a passed
// case, a finding from failOn on a failure, and what was not seen an error. Lesser
// and accepted findings are passed cases that system-out tells about.
func AuditJUnit(w io.Writer, r *audit.Report, failOn audit.Severity, now time.Time) error {
	s := auditSuite{Name: "moat audit " + token(r.Database), Package: "moat.audit", Hostname: "localhost", Time: "0",
		Timestamp:  now.UTC().Format("2006-01-02T15:04:05"),
		Properties: []auditProperty{{"verdict", printable(r.Verdict)}, {"fail_on", string(failOn)}}}
	found := map[string]bool{}
	var out strings.Builder
	for _, x := range r.Findings {
		found[x.Rule] = true
		c := auditCase{Name: token(x.Object), Class: x.Rule, Time: "0"}
		if x.Severity.AtLeast(failOn) {
			c.Failure = &auditOutcome{Message: printable(x.Message), Type: string(x.Severity), Text: printable(findingText(x))}
			s.Failures++
		} else {
			fmt.Fprintf(&out, "%s %s %s: %s\n", x.Severity, x.Rule, x.Object, x.Message)
		}
		s.Cases = append(s.Cases, c)
	}
	for _, x := range r.Accepted {
		found[x.Rule] = true
		fmt.Fprintf(&out, "accepted %s %s: %s\n", x.Rule, x.Object, x.Reason)
		s.Cases = append(s.Cases, auditCase{Name: token(x.Object), Class: x.Rule, Time: "0"})
	}
	for _, u := range r.Unseen {
		s.Errors++
		s.Cases = append(s.Cases, auditCase{Name: token(u), Class: "not-seen", Time: "0", Error: &auditOutcome{Message: printable(u), Type: "not seen"}})
	}
	for _, rule := range audit.Rules() {
		if !found[rule.ID] {
			s.Cases = append(s.Cases, auditCase{Name: rule.Title, Class: rule.ID, Time: "0"})
		}
	}
	s.Tests, s.Out = len(s.Cases), printable(out.String())
	return writeXML(w, auditSuites{Suites: []auditSuite{s}})
}

func writeXML(w io.Writer, v auditSuites) error {
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(v); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// token is text without runs of white space, as names in the schemas must be.
func token(s string) string { return strings.Join(strings.Fields(printable(s)), " ") }

// findingText is a finding without its heading.
func findingText(x audit.Finding) string {
	parts := []string{x.Message, x.Why}
	if x.File != "" {
		parts = append(parts, fmt.Sprintf("%s:%d", x.File, x.Line))
	}
	for _, sql := range x.Fix {
		parts = append(parts, sql+";")
	}
	if x.Decision != "" {
		parts = append(parts, "Decide: "+x.Decision)
	}
	return strings.Join(parts, "\n")
}
