package audittest_test

import (
	"testing"

	"github.com/moat-db/moat/audit/audittest"
	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// Every fixture must run where it applies, or the tests built on it prove nothing.
func TestFixturesRun(t *testing.T) {
	t.Parallel()
	pgtest.EachMajor(t, func(t *testing.T, c *pgtest.Cluster) {
		setup := audittest.Setups(t, c)
		for _, h := range append(audittest.Holes(t), audittest.Controls(t)...) {
			if !h.Applies(c.Major) {
				continue
			}
			t.Run(h.ID, func(t *testing.T) {
				t.Parallel()
				f := setup(t, h)
				if h.Mended != "" {
					f.Mend(t)
				}
			})
		}
	})
}
