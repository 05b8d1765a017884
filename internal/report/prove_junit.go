package report

import (
	"encoding/xml"
	"io"
	"strconv"
	"strings"

	"github.com/moat-db/moat/prove"
)

type proveSuites struct {
	XMLName xml.Name     `xml:"testsuites"`
	Suites  []proveSuite `xml:"testsuite"`
}

type proveSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Time     string      `xml:"time,attr"`
	Stamp    string      `xml:"timestamp,attr,omitempty"`
	Cases    []proveCase `xml:"testcase"`
	Out      string      `xml:"system-out,omitempty"`
}

type proveCase struct {
	Name    string        `xml:"name,attr"`
	Class   string        `xml:"classname,attr"`
	Failure *proveFailure `xml:"failure"`
	Error   *proveFailure `xml:"error"`
}

type proveFailure struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// ProveJUnit writes a report as JUnit XML: a leak is a failure, an undecided probe
// an error, what was not tried goes to system-out.
func ProveJUnit(w io.Writer, r *prove.Report) error {
	s := proveSuite{Name: "moat prove " + r.Context.Target, Tests: len(r.Probes), Failures: r.Count(prove.VerdictLeak),
		Errors: r.Count(prove.VerdictUndecided), Time: strconv.FormatFloat(float64(r.Context.DurationMS)/1000, 'f', 3, 64)}
	if !r.Context.Started.IsZero() {
		s.Stamp = r.Context.Started.Format("2006-01-02T15:04:05")
	}
	for _, p := range r.Probes {
		c := proveCase{Name: printable(p.Attack), Class: printable(p.Object)}
		f := &proveFailure{Message: printable(p.Reason), Text: printable(p.Script)}
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
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(proveSuites{Suites: []proveSuite{s}}); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// printable drops characters that XML 1.0 cannot hold.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 && r != '\n' && r != '\t' && r != '\r' {
			return -1
		}
		return r
	}, s)
}
