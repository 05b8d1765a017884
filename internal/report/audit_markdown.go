package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/moat-db/moat/audit"
	"github.com/moat-db/moat/internal/list"
)

// AuditMarkdown writes a report as Markdown, for a pull request or a job's summary.
func AuditMarkdown(w io.Writer, r *audit.Report) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# moat audit: %s\n\n", r.Verdict)
	for _, g := range auditGroups(r.Findings) {
		fmt.Fprintf(&b, "## %s\n\n", escapeMarkdown(g.name))
		for _, x := range g.findings {
			fmt.Fprintf(&b, "### %s: [%s](%s%s.md) on `%s`\n\n", x.Severity, x.Rule, docsURL, x.Rule,
				strings.ReplaceAll(token(x.Object), "`", "'"))
			if x.File != "" {
				fmt.Fprintf(&b, "%s:%d\n\n", escapeMarkdown(x.File), x.Line)
			}
			fmt.Fprintf(&b, "%s %s\n\n", escapeMarkdown(x.Message), escapeMarkdown(x.Why))
			if len(x.Fix) > 0 {
				fmt.Fprintf(&b, "```sql\n%s;\n```\n\n", strings.ReplaceAll(strings.Join(x.Fix, ";\n"), "```", "` ` `"))
			}
			if x.Decision != "" {
				fmt.Fprintf(&b, "Decide: %s\n\n", escapeMarkdown(x.Decision))
			}
		}
	}
	section := func(title string, items []string) {
		if len(items) > 0 {
			fmt.Fprintf(&b, "## %s\n\n- %s\n\n", title, strings.Join(items, "\n- "))
		}
	}
	var accepted, reopened, unseen []string
	for _, x := range r.Accepted {
		accepted = append(accepted, fmt.Sprintf("%s on %s: %s", x.Rule, escapeMarkdown(x.Object), escapeMarkdown(x.Reason)))
	}
	for _, x := range r.Reopened {
		reopened = append(reopened, escapeMarkdown(x.String()))
	}
	unseen = append(unseen, list.Map(r.Unseen, escapeMarkdown)...)
	section("Accepted", accepted)
	section("Entries of the baseline that do not count", reopened)
	section("Not seen", unseen)
	_, err := io.WriteString(inert{w}, strings.TrimRight(b.String(), "\n")+"\n")
	return err
}

// escapeMarkdown keeps names from being read as markup.
func escapeMarkdown(s string) string {
	return strings.NewReplacer("_", `\_`, "*", `\*`, "<", "&lt;", ">", "&gt;", "|", `\|`,
		"`", "\\`", "[", `\[`, "\n", " ").Replace(s)
}
