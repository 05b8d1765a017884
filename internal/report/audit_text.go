package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/moat-db/moat/audit"
	"github.com/moat-db/moat/internal/english"
)

// AuditText writes a report for people: the verdict, then a line for each rule, the worst
// first, with how often and where it was found; with full, every finding by table
// instead, in 80 columns. colour adds terminal colours.
func AuditText(w io.Writer, r *audit.Report, full, colour bool) error {
	t := auditText{colour: colour}
	t.head(r)
	if full {
		for _, g := range auditGroups(r.Findings) {
			t.group(g)
		}
	} else {
		t.summary(r.Findings)
	}
	t.list("Not seen:", r.Unseen)
	if n := len(r.Accepted); n > 0 {
		t.line(0, "%s accepted.", english.Count(n, "finding"))
	}
	t.list("Entries of the baseline that do not count:", sentences(r.Reopened))
	switch {
	case len(r.Findings) > 0 && full:
		t.line(0, "moat explain RULE tells more. --format json holds every statement.")
	case len(r.Findings) > 0:
		t.line(0, "--full shows each finding with its reason and the SQL that closes it; moat explain RULE tells more.")
	}
	_, err := io.WriteString(inert{w}, t.b.String())
	return err
}

// textWidth is the width that text output keeps to.
const textWidth = 80

type auditText struct {
	b      strings.Builder
	colour bool
}

// auditGroup is what is listed under one heading.
type auditGroup struct {
	name     string
	findings []audit.Finding
}

// auditGroups gathers findings by their group. Findings come worst first, so groups
// do too.
func auditGroups(findings []audit.Finding) []auditGroup {
	var out []auditGroup
	for _, x := range findings {
		i := slices.IndexFunc(out, func(g auditGroup) bool { return g.name == x.Group })
		if i < 0 {
			out = append(out, auditGroup{name: x.Group})
			i = len(out) - 1
		}
		out[i].findings = append(out[i].findings, x)
	}
	return out
}

func (t *auditText) head(r *audit.Report) {
	t.line(0, "%s", t.paint("1", r.Verdict))
	if r.Model == nil {
		t.b.WriteString("\n")
		return
	}
	t.line(0, "%s: tenant column %s, setting %s, %s, %s", r.Database, orNone(r.Model.Column), orNone(r.Model.Setting),
		english.Count(len(r.Model.Tables), "table"), rolesText(r.Model.Roles))
	for _, sentence := range r.Model.Inferred {
		t.line(2, "%s", sentence)
	}
	t.b.WriteString("\n")
}

// summary writes a line for each rule: the worst severity, how many findings, and as many
// of the worst objects as the line takes.
func (t *auditText) summary(findings []audit.Finding) {
	var rules []auditGroup
	width := 0
	for _, x := range findings {
		i := slices.IndexFunc(rules, func(g auditGroup) bool { return g.name == x.Rule })
		if i < 0 {
			rules = append(rules, auditGroup{name: x.Rule})
			i = len(rules) - 1
			width = max(width, len(x.Rule))
		}
		rules[i].findings = append(rules[i].findings, x)
	}
	for _, g := range rules {
		worst := g.findings[0].Severity
		pad := strings.Repeat(" ", len(audit.Critical)-len(worst))
		head := fmt.Sprintf("  %s%s  %-*s %4d  ", t.severity(worst), pad, width, g.name, len(g.findings))
		t.b.WriteString(head + objects(g.findings, textWidth-columns(head)) + "\n")
	}
	if len(rules) > 0 {
		t.b.WriteString("\n")
	}
}

// objects names the first objects, as many as fit into width columns, and at least one.
func objects(findings []audit.Finding, width int) string {
	text := placed(findings[0])
	for _, x := range findings[1:] {
		more := text + ", " + placed(x)
		if columns(more) > width-len(", …") {
			return text + ", …"
		}
		text = more
	}
	return text
}

// placed is a finding's object, with the line of a migration that it comes from.
func placed(x audit.Finding) string {
	if x.File == "" {
		return token(x.Object)
	}
	return fmt.Sprintf("%s (%s:%d)", token(x.Object), x.File, x.Line)
}

func rolesText(roles []string) string {
	switch len(roles) {
	case 0:
		return "no application role known"
	case 1:
		return "application role " + roles[0]
	}
	return "application roles " + strings.Join(roles, ", ")
}

func orNone(s string) string {
	if s == "" {
		return "not known"
	}
	return s
}

func (t *auditText) group(g auditGroup) {
	t.line(0, "%s", t.paint("1", g.name))
	for _, x := range g.findings {
		t.finding(x, g.name)
	}
	t.b.WriteString("\n")
}

func (t *auditText) finding(x audit.Finding, group string) {
	head := t.severity(x.Severity) + "  " + x.Rule
	if x.Object != group {
		head += "  " + strings.TrimPrefix(x.Object, group+".")
	}
	t.line(2, "%s", head)
	if x.File != "" {
		t.line(6, "%s:%d", x.File, x.Line)
	}
	t.line(6, "%s", x.Message)
	t.line(6, "%s", x.Why)
	t.fix(x.Fix)
	if x.Decision != "" {
		t.line(6, "Decide: %s", x.Decision)
	}
}

func (t *auditText) severity(s audit.Severity) string {
	code := map[audit.Severity]string{audit.Critical: "31;1", audit.High: "31", audit.Medium: "33", audit.Low: "36"}[s]
	if code == "" {
		return string(s)
	}
	return t.paint(code, string(s))
}

func (t *auditText) paint(code, s string) string {
	if !t.colour || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

// fix writes statements, and no more than a screen can bear: a fix of many lines is
// there whole in the other formats.
func (t *auditText) fix(fix []string) {
	const most = 16
	lines := 0
	for i, sql := range fix {
		lines += 1 + strings.Count(sql, "\n")
		if lines > most {
			t.line(6, "… %s more: --format markdown shows them.", english.Count(len(fix)-i, "statement"))
			return
		}
		t.sql(sql)
	}
}

// sql writes a statement as it is, its longest lines broken at blanks. What must be
// copied to the byte is in --format json.
func (t *auditText) sql(sql string) {
	lines := strings.Split(sql, "\n")
	for i, line := range lines {
		if i == len(lines)-1 {
			line += ";"
		}
		indent := 6 + len(line) - len(strings.TrimLeft(line, " "))
		first := true
		for _, part := range wrapSQL(strings.TrimSpace(line), textWidth-indent) {
			if !first {
				part = "  " + part
			}
			first = false
			t.b.WriteString(strings.Repeat(" ", indent) + t.paint("2", part) + "\n")
		}
	}
}

// line writes a sentence, wrapped at blanks and indented.
func (t *auditText) line(indent int, format string, args ...any) {
	for paragraph := range strings.SplitSeq(fmt.Sprintf(format, args...), "\n") {
		for _, part := range wrap(strings.TrimSpace(paragraph), textWidth-indent) {
			t.b.WriteString(strings.Repeat(" ", indent) + part + "\n")
		}
	}
}

func (t *auditText) list(title string, items []string) {
	if len(items) == 0 {
		return
	}
	t.line(0, "%s", title)
	for _, item := range items {
		t.line(2, "%s", item)
	}
	t.b.WriteString("\n")
}

// wrap breaks text at blanks into lines of at most width columns; a longer word stays
// whole. Terminal colours take no column.
func wrap(text string, width int) []string {
	var lines []string
	line, used := "", 0
	for word := range strings.FieldsSeq(text) {
		n := columns(word)
		if line != "" && used+1+n > width {
			lines = append(lines, line)
			line, used = "", 0
		}
		if line != "" {
			line, used = line+" ", used+1
		}
		line, used = line+word, used+n
	}
	return append(lines, line)
}

// wrapSQL breaks a line of SQL at blanks outside of strings and quoted names, so that
// what is copied from the terminal still means the same.
func wrapSQL(line string, width int) []string {
	var lines []string
	for columns(line) > width {
		at, quote := -1, byte(0)
		for i := range len(line) {
			c := line[i]
			switch {
			case quote != 0 && c == quote:
				quote = 0
			case quote == 0 && (c == '\'' || c == '"'):
				quote = c
			case quote == 0 && c == ' ' && (i <= width || at < 0):
				at = i
			}
		}
		if at <= 0 {
			break
		}
		lines = append(lines, line[:at])
		line = line[at+1:]
		if len(lines) == 1 {
			width -= 2 // what follows is indented
		}
	}
	return append(lines, line)
}

// columns counts the columns that text takes on a terminal.
func columns(text string) int {
	n, escape := 0, false
	for _, r := range text {
		switch {
		case r == '\x1b':
			escape = true
		case escape:
			escape = r != 'm'
		default:
			n++
		}
	}
	return n
}
