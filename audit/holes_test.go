package audit_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/audit"
	"github.com/moat-db/moat/audit/audittest"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/tenancy"
)

// run audits a fixture's database as the superuser does.
func run(t *testing.T, f *audittest.Fixture) audit.Report {
	t.Helper()
	return runAs(t, f.Admin(t), tenancy.Options{Roles: []string{f.App}}, f.Owner)
}

func runAs(t *testing.T, conn *pgx.Conn, o tenancy.Options, owner string) audit.Report {
	t.Helper()
	v, err := tenancy.Read(context.Background(), conn, o)
	if err != nil {
		t.Fatal(err)
	}
	return audit.Run(v, audit.Options{Owner: owner})
}

// spoken returns the findings about a hole of the catalogue.
func spoken(r audit.Report, hole string) []audit.Finding {
	otherHole := func(x audit.Finding) bool { return !slices.Contains(x.Holes, hole) }
	return slices.DeleteFunc(slices.Clone(r.Findings), otherHole)
}

func describe(findings []audit.Finding) string {
	var b strings.Builder
	for _, x := range findings {
		fmt.Fprintf(&b, "\n  %s %s %s: %s\n    %s", x.Severity, x.Rule, x.Object, x.Message, x.Why)
	}
	return b.String()
}

// The rule of each hole is about the right object where the hole is, and is
// otherHole once it is mended.
func TestHoles(t *testing.T) {
	t.Parallel()
	pgtest.EachMajor(t, func(t *testing.T, c *pgtest.Cluster) {
		setup := audittest.Setups(t, c)
		for i, h := range audittest.Holes(t) {
			if !h.Applies(c.Major) {
				continue
			}
			t.Run(h.ID, func(t *testing.T) {
				t.Parallel()
				pgtest.OneOf(t, 10, i)
				f := setup(t, h)
				object := f.Expand(h.Object)
				before := run(t, f)
				found := spoken(before, h.ID)
				i := slices.IndexFunc(found, func(x audit.Finding) bool { return x.Object == object })
				if i < 0 {
					t.Fatalf("no rule for %s about %s; the report:%s", h.ID, object, describe(before.Findings))
				}
				f.Mend(t)
				rule := found[i].Rule
				for _, x := range run(t, f).Findings {
					if x.Rule == rule && x.Object == object {
						t.Errorf("mended, and still:%s", describe([]audit.Finding{x}))
					}
				}
			})
		}
	})
}

func TestControls(t *testing.T) {
	t.Parallel()
	pgtest.EachMajor(t, func(t *testing.T, c *pgtest.Cluster) {
		setup := audittest.Setups(t, c)
		for i, h := range audittest.Controls(t) {
			if !h.Applies(c.Major) {
				continue
			}
			t.Run(h.ID, func(t *testing.T) {
				t.Parallel()
				pgtest.OneOf(t, 2, i)
				alarms := alarming(run(t, setup(t, h)))
				if len(alarms) > 0 {
					t.Errorf("false alarm:%s", describe(alarms))
				}
			})
		}
	})
}

// alarming returns the findings that need an answer, but for those about the release
// that the tests happen to run on: of these TestFlawsAreReal and TestCleanSchemas speak.
func alarming(r audit.Report) []audit.Finding {
	return slices.DeleteFunc(slices.Clone(r.Findings), func(x audit.Finding) bool {
		return x.Group == "server" || !x.Severity.AtLeast(audit.Medium)
	})
}
