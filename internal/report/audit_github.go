package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/moat-db/moat/audit"
)

// AuditGitHub writes a report as GitHub Actions' workflow commands: annotations on
// the lines of migrations, or on the run where there is no file.
func AuditGitHub(w io.Writer, r *audit.Report, failOn audit.Severity) error {
	var b strings.Builder
	for _, x := range r.Findings {
		command := "notice"
		switch {
		case x.Severity.AtLeast(failOn):
			command = "error"
		case x.Severity.AtLeast(audit.Medium):
			command = "warning"
		}
		var properties []string
		if x.File != "" {
			properties = append(properties, "file="+escapeProperty(x.File), fmt.Sprintf("line=%d", max(1, x.Line)))
		}
		properties = append(properties, "title="+escapeProperty(x.Rule+" "+x.Object))
		fmt.Fprintf(&b, "::%s %s::%s\n", command, strings.Join(properties, ","), escapeData(findingText(x)))
	}
	for _, u := range r.Unseen {
		fmt.Fprintf(&b, "::warning title=not seen::%s\n", escapeData(u))
	}
	for _, x := range r.Reopened {
		fmt.Fprintf(&b, "::warning title=accepted no longer::%s\n", escapeData(x.String()))
	}
	fmt.Fprintf(&b, "moat audit: %s\n", r.Verdict)
	_, err := io.WriteString(w, b.String())
	return err
}

func escapeData(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(s)
}

func escapeProperty(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C").Replace(s)
}
