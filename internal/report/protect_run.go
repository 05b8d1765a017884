package report

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/moat-db/moat/internal/english"

	"github.com/moat-db/moat/protect"
)

// WhyText explains one table.
func WhyText(w io.Writer, e *protect.Explanation) {
	t := &planText{w: inert{w}}
	t.line(0, "%s is a %s table. %s", e.Table, e.Class, e.Why)
	if e.Column != "" {
		t.line(0, "Its tenant column is %s.", e.Column)
	}
	for _, p := range e.Paths {
		t.line(2, "path: %s", p)
	}
	if e.Chosen != "" {
		t.line(2, "filled through: %s", e.Chosen)
	}
	if len(e.Steps) == 0 {
		fmt.Fprintln(w, "\nNothing is planned for it.")
	}
	for _, s := range e.Steps {
		fmt.Fprintln(w)
		t.line(2, "[%s] %s", s.Group, s.Title)
		t.line(4, "%s", cost(s))
		t.line(4, "%s.", s.Reason)
	}
	t.kinds(e.Decisions, true)
	t.left(e.Left)
	t.unchanged(e.Unchanged)
}

// ApplyText says what an apply did and what is next.
func ApplyText(w io.Writer, p *protect.Plan, r *protect.Result, until protect.Group) {
	t := &planText{w: inert{w}}
	fmt.Fprintf(w, "%s applied.\n", english.Count(len(r.Applied), "step"))
	for _, f := range r.Stopped {
		fmt.Fprintln(w)
		t.line(0, "Stopped: %d %s. The steps that depend on them did not run.", f.Count, f.Check.What)
		for _, row := range f.Sample {
			t.line(4, "%s", row)
		}
		t.line(2, "To list them all:")
		t.block(6, f.Check.Sample+";")
	}
	t.kinds(p.Decisions, false)
	t.left(p.Left)
	if r.Later > 0 {
		fmt.Fprintln(w)
		t.line(0, "%s after group %s remain. Once the application sets its tenant, run this again with --until guards.",
			english.Count(r.Later, "step"), until)
	}
	if p.Connect != "" {
		fmt.Fprintln(w)
		t.line(0, "%s", p.Connect)
	}
}

// OpenText lists the questions that group enforce waits for, by kind.
func OpenText(w io.Writer, e *protect.OpenError) {
	t := &planText{w: inert{w}, said: map[string]bool{}}
	t.line(0, "Not applied: %s. Nothing has changed.", e.Error())
	t.kinds(e.Open, true)
	fmt.Fprintln(w)
	t.line(0, "Answer each in moat.yaml, or go on regardless with moat accept %s OBJECT --reason '…'. Groups up to %s "+
		"can be applied meanwhile: --until %s.", protect.QuestionKind("KIND"), protect.DefaultUntil, protect.DefaultUntil)
}

// PlanProgress returns a function that reports a run on w: one line a step on a
// plain stream, and a line that is drawn again on a terminal.
func PlanProgress(w io.Writer, terminal bool) func(protect.Progress) {
	last := time.Time{}
	return func(p protect.Progress) {
		text := fmt.Sprintf("[%d/%d] %s", p.Number, p.Total, stepName(p.Step))
		switch p.State {
		case protect.Started:
			if !terminal {
				return
			}
		case protect.Waiting:
			text += fmt.Sprintf(": waiting for a lock, attempt %d", p.Attempt)
			for _, h := range p.Holders {
				text += "; held by " + h.String()
			}
		case protect.Moving:
			// A line a second is enough where lines stay.
			if !terminal && time.Since(last) < time.Second {
				return
			}
			last = time.Now()
			text += ": " + movement(p)
		case protect.Done:
			text += ": done"
			if p.Held > 0 {
				text += fmt.Sprintf(", kept readers and writers out for %s", p.Held.Round(time.Millisecond))
			}
		case protect.Stopped:
			text += ": stopped, rows must be corrected first"
		}
		end := "\n"
		if terminal && p.State != protect.Done && p.State != protect.Stopped {
			end = ""
		}
		if terminal {
			text = "\r\x1b[K" + clip(text, width-1)
		}
		fmt.Fprint(w, text+end)
	}
}

// Looking returns a function that says on w what is counted while a plan is made: nothing
// in the first second, then a line a second.
func Looking(w io.Writer, last time.Time) func(what string, n, of int) {
	return func(what string, n, of int) {
		if time.Since(last) >= time.Second {
			last = time.Now()
			fmt.Fprintf(w, "[%d/%d] counting %s\n", n, of, what)
		}
	}
}

func movement(p protect.Progress) string {
	text := fmt.Sprintf("%s, %.0f/s", english.Count(p.Rows, "row"), p.Rate)
	if p.Of > 0 {
		text = fmt.Sprintf("%d of about %d rows, %.0f/s", p.Rows, p.Of, p.Rate)
	}
	if p.Left > 0 {
		text += fmt.Sprintf(", %s left", p.Left.Round(time.Second))
	}
	return text
}

func stepName(s protect.Step) string {
	if s.Table.Name == "" {
		return s.Title
	}
	return s.Table.String() + " " + s.Title
}

func clip(s string, n int) string {
	r := []rune(strings.ReplaceAll(s, "\n", " "))
	if len(r) <= n {
		return string(r)
	}
	return string(r[:n-1]) + "…"
}
