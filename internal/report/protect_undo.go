package report

import (
	"fmt"
	"io"

	"github.com/moat-db/moat/internal/english"
	"github.com/moat-db/moat/protect"
)

// UndoPlanText says what an undo would do. sql says whether each step's statements are
// shown.
func UndoPlanText(w io.Writer, steps []protect.UndoStep, sql bool) {
	t := &planText{w: inert{w}}
	if len(steps) == 0 {
		t.line(0, "Nothing to undo: moat protect has changed nothing here.")
		return
	}
	t.line(0, "%s would be undone, in this order:", english.Count(len(steps), "step"))
	group := protect.Group("")
	for _, s := range steps {
		if s.Group != group {
			group = s.Group
			fmt.Fprintf(w, "\n%s\n", group)
		}
		t.line(2, "%s", s.Title)
		for _, q := range s.SQL {
			if sql {
				t.block(6, q+";")
			}
		}
	}
	fmt.Fprintln(w)
	t.line(0, "The database then keeps no tenants apart that it did not before. Values that a backfill put into a "+
		"column that was there before stay.")
	t.line(0, "Nothing has changed yet; --undo --apply undoes these steps.")
}

// UndoText says what an undo did, and what it could not do.
func UndoText(w io.Writer, r *protect.UndoResult) {
	t := &planText{w: inert{w}}
	fmt.Fprintf(w, "%s undone.\n", english.Count(len(r.Undone), "step"))
	for _, g := range r.Gone {
		t.line(2, "nothing to undo: %s", g)
	}
	for _, k := range r.Kept {
		t.line(2, "kept: %s", k)
	}
	if len(r.Left) == 0 {
		return
	}
	fmt.Fprintln(w, "\nNOT UNDONE")
	for _, l := range r.Left {
		t.line(2, "%s: %s.", l.Title, l.Reason)
		for _, q := range l.SQL {
			t.block(6, q+";")
		}
	}
	fmt.Fprintln(w)
	t.line(0, "The journal keeps these steps: change what stands in the way, and run --undo --apply again.")
}

// UndoPlanJSON writes what an undo would do, version 1.
func UndoPlanJSON(w io.Writer, steps []protect.UndoStep) error {
	return JSON(w, struct {
		Version int                `json:"version"`
		Steps   []protect.UndoStep `json:"steps"`
	}{1, steps})
}
