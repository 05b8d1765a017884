package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/moat-db/moat/internal/english"

	"github.com/moat-db/moat/protect"
)

// PlanText writes all of a protect plan for a person at a terminal of 80 columns. sql says
// whether each step's statements are shown.
func PlanText(w io.Writer, p *protect.Plan, sql bool) {
	t := &planText{w: inert{w}, said: map[string]bool{}}
	t.line(0, "Tenant column %s (%s), setting %s, database %s.", p.Model.Column, p.Model.Type, p.Model.Setting, p.Database)
	for _, s := range p.Model.Inferred {
		t.line(0, "%s", s)
	}
	group := protect.Group("")
	for _, s := range p.Steps {
		if s.Group != group {
			group = s.Group
			t.group(p, group)
		}
		t.step(s, sql)
	}
	t.kinds(p.Decisions, true)
	t.left(p.Left)
	t.unchanged(p.Unchanged)
	t.distribute(p.Distribute)
	t.summary(p)
}

// planText writes wrapped lines.
type planText struct {
	w io.Writer
	// said are the reasons and hazards of this group so far: in a plan for a hundred
	// tables each is read once.
	said map[string]bool
}

const width = 80

// line writes a paragraph, indented and wrapped at word ends. Words longer than the
// line, such as a name, stand alone.
func (t *planText) line(indent int, format string, args ...any) {
	pad := strings.Repeat(" ", indent)
	current := pad
	for word := range strings.FieldsSeq(fmt.Sprintf(format, args...)) {
		if current != pad && len([]rune(current))+1+len([]rune(word)) > width {
			fmt.Fprintln(t.w, current)
			current = pad
		}
		if current != pad {
			current += " "
		}
		current += word
	}
	fmt.Fprintln(t.w, current)
}

func (t *planText) group(p *protect.Plan, g protect.Group) {
	n := 0
	for _, s := range p.Steps {
		if s.Group == g {
			n++
		}
	}
	clear(t.said)
	fmt.Fprintf(t.w, "\n%s (%s)\n", strings.ToUpper(string(g)), english.Count(n, "step"))
	if g == protect.GroupEnforce {
		t.line(2, "From here on a connection that sets no tenant sees no rows. --apply stops before this group; --until "+
			"enforce or --until guards goes on.")
	}
}

func (t *planText) step(s protect.Step, sql bool) {
	title := s.Title
	if s.Table.Name != "" {
		title = s.Table.String() + ": " + title
	}
	fmt.Fprintln(t.w)
	t.line(2, "%s", title)
	t.line(4, "%s", cost(s))
	t.once(s.Reason + ".")
	for _, h := range s.Hazards {
		t.once("hazard: " + h)
	}
	if s.Check != nil {
		t.line(4, "runs only if there are no %s", s.Check.What)
	}
	if sql {
		for _, q := range s.SQL {
			t.block(6, q+";")
		}
	}
}

// distribute writes what spreads the tables over the servers of Citus, fit to copy.
func (t *planText) distribute(all []protect.Distribution) {
	if len(all) == 0 {
		return
	}
	fmt.Fprint(t.w, "\nDISTRIBUTE\n")
	t.line(2, "Once all groups are done, run this in one session, as a superuser: it copies every row, and protect runs "+
		"none of it. Lines with undo: bring the rows back; Citus does so with no table that has an identity column.")
	said := ""
	for _, d := range all {
		if d.Reason != said {
			said = d.Reason
			fmt.Fprintln(t.w)
			t.block(2, "-- "+said)
		}
		t.block(2, d.SQL+";")
	}
	fmt.Fprintln(t.w)
	for _, d := range slices.Backward(all) {
		if d.Undo != "" {
			t.block(2, "-- undo: "+d.Undo+";")
		}
	}
}

// once writes a sentence that the group has not had yet.
func (t *planText) once(sentence string) {
	if !t.said[sentence] {
		if t.said != nil {
			t.said[sentence] = true
		}
		t.line(4, "%s", sentence)
	}
}

// block writes text as it is: SQL must be fit to copy.
func (t *planText) block(indent int, text string) {
	for line := range strings.SplitSeq(strings.Trim(text, "\n"), "\n") {
		fmt.Fprintln(t.w, strings.Repeat(" ", indent)+line)
	}
}

// cost says in one line what a step holds up and how much it reads.
func cost(s protect.Step) string {
	var parts []string
	switch {
	case s.Lock == protect.NoLock:
		parts = append(parts, "no table lock")
	case s.Kind == protect.KindSQL:
		parts = append(parts, fmt.Sprintf("locks %s for an instant (blocks %s)", s.Lock, s.Lock.Blocks()))
	default:
		parts = append(parts, fmt.Sprintf("locks %s (blocks %s)", s.Lock, s.Lock.Blocks()))
	}
	switch {
	case s.Rewrites:
		parts = append(parts, "rewrites the table")
	case s.Scans:
		parts = append(parts, "reads the table")
	}
	if s.Estimate != (protect.Estimate{}) && s.Scans {
		parts = append(parts, size(s.Estimate))
	}
	if !s.Transactional && s.Kind == protect.KindConcurrent {
		parts = append(parts, "outside a transaction")
	}
	return strings.Join(parts, "; ")
}

func size(e protect.Estimate) string {
	if e.Rows < 0 {
		return fmt.Sprintf("size unknown, %s: run ANALYZE", bytesText(e.Bytes))
	}
	text := fmt.Sprintf("about %s, %s", english.Count(e.Rows, "row"), bytesText(e.Bytes))
	if e.Seconds > 0 {
		text += fmt.Sprintf(", %d s", e.Seconds)
	}
	return text
}

func bytesText(n int64) string {
	units := []string{"B", "kB", "MB", "GB", "TB"}
	f, i := float64(n), 0
	for f >= 1024 && i < len(units)-1 {
		f, i = f/1024, i+1
	}
	return fmt.Sprintf("%.0f %s", f, units[i])
}

func (t *planText) decision(d protect.Decision) {
	fmt.Fprintln(t.w)
	if d.Table.Name != "" && !strings.Contains(d.Question, d.Table.String()) {
		t.line(2, "%s: %s", d.Table, d.Question)
	} else {
		t.line(2, "%s", d.Question)
	}
	t.once(d.Why)
	if d.Accepted != "" {
		t.line(4, "accepted: %s", d.Accepted)
	}
	for _, q := range d.SQL {
		t.block(6, q+";")
	}
}

func (t *planText) left(all []protect.Left) {
	if len(all) == 0 {
		return
	}
	fmt.Fprintf(t.w, "\nLEFT OUT: THIS ROLE LACKS THE RIGHT (%d)\n", len(all))
	for _, l := range all {
		fmt.Fprintln(t.w)
		t.line(2, "%s", l.Title)
		t.line(4, "%s", l.Reason)
		for _, q := range l.SQL {
			t.block(6, q+";")
		}
	}
}

func (t *planText) unchanged(all []protect.Note) {
	if len(all) == 0 {
		return
	}
	fmt.Fprintf(t.w, "\nUNCHANGED (%d)\n\n", len(all))
	for _, n := range all {
		t.line(2, "%s: %s", n.Object, n.Reason)
	}
}

func (t *planText) summary(p *protect.Plan) {
	fmt.Fprintln(t.w)
	if p.Empty() {
		t.line(0, "Nothing to do: %s for you to make, %s left out.", english.Count(len(p.Decisions), "decision"),
			english.Count(len(p.Left), "statement"))
		return
	}
	t.line(0, "%s planned, %s, %s left out.",
		english.Count(len(p.Steps), "step"), english.Count(len(p.Decisions), "open decision"),
		english.Count(len(p.Left), "statement"))
	t.line(0, "Nothing has changed yet; --apply runs the plan.")
}
