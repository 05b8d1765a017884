package prove_test

import (
	"slices"
	"testing"

	"github.com/moat-db/moat/audit/audittest"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/prove"
)

// beyond are holes of the catalogue that no statement of the application's role
// can show, each with the reason.
var beyond = map[string]string{
	"E01": "a guard that is missing lets a later mistake through; nothing leaks yet",
}

// TestHolesLeakAndMendedTwinsDoNot runs the catalogue of holes: an exploitable one
// must be reported, and its mended twin must show nothing that the plain base does not.
func TestHolesLeakAndMendedTwinsDoNot(t *testing.T) {
	t.Parallel()
	pgtest.EachMajor(t, func(t *testing.T, c *pgtest.Cluster) {
		for _, h := range audittest.Holes(t) {
			if !h.Applies(c.Major) {
				continue
			}
			t.Run(h.ID, func(t *testing.T) {
				t.Parallel()
				f := h.Setup(t, c)
				fx := &fixture{Database: f.Database, app: f.App, owner: f.Owner}
				before := fx.prove(t, prove.Options{Strict: true})
				f.Mend(t)
				after := fx.prove(t, prove.Options{Strict: true})
				closed := slices.DeleteFunc(ids(before.Leaks()), func(id string) bool { return slices.Contains(ids(after.Leaks()), id) })
				left := slices.DeleteFunc(ids(after.Leaks()), func(id string) bool { return slices.Contains(rights, id) })
				t.Logf("SUM %s closed=%d %v left=%v undecided=%v", h.ID, len(closed), closed, left, undecidedOf(after))
				if len(closed) == 0 && beyond[h.ID] == "" {
					t.Errorf("the hole is not found")
				}
				if len(left) > 0 {
					t.Errorf("the mended twin leaks: %v", left)
				}
			})
		}
	})
}

// rights are what every role may do on a server as it comes.
var rights = []string{"activity:connection", "cancel:connection", "large object:connection", "temporary table:connection", "create:schema public"}

func undecidedOf(r *prove.Report) []string {
	var out []string
	for _, p := range r.Probes {
		if p.Verdict == prove.VerdictUndecided {
			out = append(out, p.ID+" ("+p.Reason+")")
		}
	}
	return out
}
