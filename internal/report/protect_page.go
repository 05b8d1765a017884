package report

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/english"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/protect"
)

// PlanPage writes the first page of a plan: what a person decides by, however many tables
// there are.
func PlanPage(w io.Writer, p *protect.Plan) {
	t := &planText{w: inert{w}, said: map[string]bool{}}
	t.line(0, "Database %s: %s, tenant column %s (%s), setting %s.", p.Database,
		english.Count(len(p.Model.Tables), "table"), p.Model.Column, p.Model.Type, p.Model.Setting)
	t.inferred(p.Model.Inferred)
	t.classes(p.Model)
	if !p.Empty() {
		t.changes(p)
		t.costs(p)
	}
	t.kinds(p.Decisions, false)
	t.leftOut(p.Left)
	t.distribute(p.Distribute)
	t.summary(p)
	t.line(0, "--full shows each step and question, --why TABLE one table.")
}

// inferred says what was found out and not configured; of sentences about single tables
// the classes tell.
func (t *planText) inferred(all []string) {
	for _, s := range all {
		if !strings.HasPrefix(s, "table ") {
			t.line(0, "%s", s)
		}
	}
}

// classes are the classes of table in the order of their weight.
func (t *planText) classes(m *catalog.Model) {
	fmt.Fprint(t.w, "\nTABLES\n")
	for _, class := range []catalog.Class{catalog.TenantsTable, catalog.TenantTable, catalog.ChildTable,
		catalog.PeopleTable, catalog.SharedTable, catalog.IgnoredTable, catalog.UnknownTable} {
		names := list.Pick(m.Tables, func(tm catalog.TableModel) (string, bool) {
			return tm.Table.String(), tm.Class == class
		})
		if len(names) > 0 {
			t.row(string(class), fmt.Sprintf("%4d  %s", len(names), some(names)))
		}
	}
}

// some lists a few names and says how many more there are.
func some(names []string) string {
	const few = 3
	if len(names) <= few {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:few], ", "), len(names)-few)
}

// row writes a line of a table whose first column is narrow.
func (t *planText) row(head, text string) {
	fmt.Fprintf(t.w, "  %-12s%s\n", head, clip(text, width-14))
}

// changes says in one sentence what each group does.
func (t *planText) changes(p *protect.Plan) {
	fmt.Fprint(t.w, "\nWHAT WILL CHANGE\n")
	for _, g := range protect.Groups() {
		steps := list.Filter(p.Steps, func(s protect.Step) bool { return s.Group == g })
		if g == protect.GroupEnforce {
			t.line(2, "-- --apply stops here; --until guards goes on --")
		}
		if len(steps) > 0 {
			t.row(string(g), fmt.Sprintf("%4d  %s", len(steps), sentence(g, steps)))
		}
	}
}

func sentence(g protect.Group, steps []protect.Step) string {
	count := func(part string, noun string, many ...string) string {
		n := 0
		for _, s := range steps {
			if strings.Contains(s.Title, part) {
				n++
			}
		}
		return english.Count(n, noun, many...)
	}
	switch g {
	case protect.GroupRoles:
		return "make " + count("create role", "role") + ", and grant what is needed"
	case protect.GroupColumns:
		return fmt.Sprintf("add the column to %s, a default to %s", count("add column", "table"),
			count("default ", "table"))
	case protect.GroupBackfill:
		return fmt.Sprintf("fill the column of %s, make it NOT NULL on %s", count("fill ", "table"), count("set ", "table"))
	case protect.GroupKeys:
		return fmt.Sprintf("%s and %s with the tenant in them", count("create index unique", "key"),
			count("for new rows", "foreign key"))
	case protect.GroupIndexes:
		return fmt.Sprintf("build %s, drop %s", count("create index", "index", "indexes"),
			count("drop index", "index", "indexes"))
	case protect.GroupPolicies:
		return "write policies for " + english.Count(tablesOf(steps), "table") + ", not yet in force"
	case protect.GroupEnforce:
		return "row-level security on " + count("enable and force", "table") + "; without a tenant no rows"
	case protect.GroupGuards:
		return "triggers that close new tables, " + count("search function", "search function")
	}
	return english.Count(len(steps), "step")
}

func tablesOf(steps []protect.Step) int {
	names := map[catalog.QName]bool{}
	for _, s := range steps {
		names[s.Table] = true
	}
	return len(names)
}

// costs are locks, disk and time.
func (t *planText) costs(p *protect.Plan) {
	var exclusive, writers, indexes int
	var disk, seconds int64
	for _, s := range p.Steps {
		switch s.Lock {
		case protect.AccessExclusive:
			exclusive++
		case protect.ShareRowExclusive:
			writers++
		}
		if s.Estimate.Disk > 0 {
			indexes++
		}
		disk, seconds = disk+s.Estimate.Disk, seconds+s.Estimate.Seconds
	}
	fmt.Fprint(t.w, "\nLOCKS, DISK, TIME\n")
	t.line(2, "%s keep readers and writers out of one table for an instant, %s writers. Each waits at most 400 ms "+
		"(--lock-timeout), with others behind it, then steps back and tries again.", english.Count(exclusive, "step"),
		english.Count(writers, "step"))
	t.line(2, "%s need about %s of disk. Work: about %s, without the waits.", english.Count(indexes, "new index",
		"new indexes"), bytesText(disk), time.Duration(seconds+int64(len(p.Steps))/20)*time.Second)
}

// kinds lists questions by kind: each kind's answer is written once, for all its objects
// in full.
func (t *planText) kinds(all []protect.Decision, full bool) {
	if len(all) == 0 {
		return
	}
	fmt.Fprintf(t.w, "\nYOUR DECISIONS (%d; group enforce waits for those with a *)\n", len(all))
	for _, k := range protect.Kinds() {
		var of []protect.Decision
		waits := " "
		for _, d := range all {
			if d.Kind() != k.Kind {
				continue
			}
			of = append(of, d)
			if d.Blocks {
				waits = "*"
			}
		}
		if len(of) > 0 {
			t.kind(k, of, waits, full)
		}
	}
}

func (t *planText) kind(k protect.Kinded, of []protect.Decision, waits string, full bool) {
	var names, configs []string
	for _, d := range of {
		names, configs = append(names, d.Subject()), append(configs, d.Config)
	}
	if !full {
		fmt.Fprintf(t.w, "  %s %s\n", waits, clip(k.Title(len(of))+": "+some(names), width-4))
		if answers := merged(configs[:1]); len(answers) > 0 {
			fmt.Fprintf(t.w, "      %s\n", clip(answers[0], width-6))
		}
		return
	}
	fmt.Fprintf(t.w, "\n%s %s\n", waits, strings.ToUpper(k.Title(len(of))))
	for _, d := range of {
		t.decision(d)
	}
	for _, answer := range merged(configs) {
		t.block(4, "moat.yaml: "+answer)
	}
}

// innermost is the innermost list or map of an answer: what several answers of a kind differ in.
var innermost = regexp.MustCompile(`^([^#]*[\[{])([^\[\]{}]*)([\]}].*)$`)

// merged writes answers that differ in a list only as one answer with all of it, and those
// that differ in the value of one key, which takes one, as a choice.
func merged(configs []string) []string {
	var out []string
	found := map[string]int{}
	for _, config := range configs {
		for line := range strings.Lines(config) {
			line = strings.TrimSpace(line)
			m := innermost.FindStringSubmatch(line)
			if m == nil {
				if !slices.Contains(out, line) {
					out = append(out, line)
				}
				continue
			}
			at, ok := found[m[1]+m[3]]
			if !ok {
				found[m[1]+m[3]] = len(out)
				out = append(out, line)
				continue
			}
			out[at] = joined(out[at][:len(out[at])-len(m[3])], m[2]) + m[3]
		}
	}
	return out
}

// joined adds an entry to those of a list or map that is still open.
func joined(open, entry string) string {
	had := open[strings.LastIndexAny(open, "[{")+1:]
	key, value, isMap := strings.Cut(entry, ": ")
	switch {
	case slices.Contains(strings.Split(had, ", "), entry):
		return open
	case isMap && strings.HasPrefix(had, key+": "):
		return open + " | " + value
	}
	return open + ", " + entry
}

func (t *planText) leftOut(all []protect.Left) {
	if len(all) > 0 {
		names := list.Map(all, func(l protect.Left) string { return l.Title })
		fmt.Fprintf(t.w, "\nLEFT OUT: THIS ROLE LACKS THE RIGHT (%d)\n", len(all))
		t.line(2, "%s", some(names))
	}
}
