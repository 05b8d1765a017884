package report

import (
	"fmt"
	"io"
	"time"

	"github.com/moat-db/moat/audit"
	"github.com/moat-db/moat/internal/english"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/prove"
)

// Options say how a report is written. A format reads what concerns it.
type Options struct {
	Colour  bool           // of a terminal
	Full    bool           // text: every finding, not one line a rule
	FailOn  audit.Severity // from which severity on a finding is a failure
	Version string         // of moat
	Now     time.Time
}

// Format is one way to write a report. Each is a file here and a line in its list.
type Format[R any] struct {
	Name  string
	Write func(w io.Writer, r R, o Options) error
}

// AuditFormats are those of audit's report, the default first.
func AuditFormats() []Format[*audit.Report] {
	return []Format[*audit.Report]{
		{"text", func(w io.Writer, r *audit.Report, o Options) error { return AuditText(w, r, o.Full, o.Colour) }},
		{"json", func(w io.Writer, r *audit.Report, _ Options) error { return JSON(w, r) }},
		{"sarif", func(w io.Writer, r *audit.Report, o Options) error { return AuditSARIF(w, r, o.Version) }},
		{"junit", func(w io.Writer, r *audit.Report, o Options) error { return AuditJUnit(w, r, o.FailOn, o.Now) }},
		{"markdown", func(w io.Writer, r *audit.Report, _ Options) error { return AuditMarkdown(w, r) }},
		{"github", func(w io.Writer, r *audit.Report, o Options) error { return AuditGitHub(w, r, o.FailOn) }},
	}
}

// ProveFormats are those of prove's report, the default first.
func ProveFormats() []Format[*prove.Report] {
	return []Format[*prove.Report]{
		{"text", func(w io.Writer, r *prove.Report, o Options) error { return ProveText(w, r, o.Colour) }},
		{"json", func(w io.Writer, r *prove.Report, _ Options) error { return ProveJSON(w, r) }},
		{"junit", func(w io.Writer, r *prove.Report, _ Options) error { return ProveJUnit(w, r) }},
		{"html", func(w io.Writer, r *prove.Report, _ Options) error { return ProveHTML(w, r) }},
	}
}

// TextOrJSON are the formats of what only people and scripts read.
func TextOrJSON() []string { return []string{"text", "json"} }

// Names lists the names of formats.
func Names[R any](formats []Format[R]) []string {
	return list.Map(formats, func(f Format[R]) string { return f.Name })
}

// Named returns the format of that name, or an error that lists them.
func Named[R any](formats []Format[R], name string) (Format[R], error) {
	for _, f := range formats {
		if f.Name == name {
			return f, nil
		}
	}
	return Format[R]{}, Unknown(name, Names(formats))
}

// Unknown is the error for a format that is none of those named.
func Unknown(name string, names []string) error {
	return fmt.Errorf("format %q: use %s", name, english.Or(names))
}
