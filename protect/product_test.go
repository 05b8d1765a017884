package protect

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/postgres"
	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// product is the fixture of a product that grew: 144 tables with all that
// PostgreSQL offers.
func product(t *testing.T, c *pgtest.Cluster) *bench {
	t.Helper()
	text, err := os.ReadFile("testdata/product.sql")
	if err != nil {
		t.Fatal(err)
	}
	b := newBenchOn(t, c, string(text))
	b.opts.Column = "organization_id"
	b.opts.Tenants = catalog.QName{Schema: "core", Name: "organizations"}
	for _, name := range []string{"countries", "currencies", "languages", "time_zones", "plans", "features",
		"plan_features", "industries"} {
		b.opts.Shared = append(b.opts.Shared, catalog.QName{Schema: "core", Name: name})
	}
	b.opts.Ignored = []catalog.QName{{Schema: "public", Name: "schema_migrations"}}
	b.cfg.Paths = map[string]string{
		"crm.form_entries":     "form_entries_form_id_fkey",
		"hr.reviews":           "reviews_employee_id_fkey",
		"work.project_members": "project_members_project_id_fkey",
		"work.task_positions":  "task_positions_task_id_fkey",
	}
	return b
}

func TestProduct(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // TestApplyAndUndo has the same of a small schema
	pgtest.EachMajor(t, func(t *testing.T, c *pgtest.Cluster) { t.Parallel(); applyProduct(t, c) })
}

func applyProduct(t *testing.T, c *pgtest.Cluster) {
	b := product(t, c)
	before, dumpBefore := text(t, b.snapshot(t)), dump(t, b)
	begun := time.Now()
	plan := b.plan(t)
	t.Logf("planned %d steps in %v", len(plan.Steps), time.Since(begun))
	for _, d := range plan.Decisions {
		t.Logf("decision %s: %s", d.ID, d.Question)
	}
	begun = time.Now()
	res := b.apply(t, GroupGuards)
	t.Logf("applied %d steps in %v", len(res.Applied), time.Since(begun))
	if again := b.plan(t); !again.Empty() {
		t.Errorf("second plan: %s", show(again))
	}
	b.undo(t)
	if d := diff(before, text(t, b.snapshot(t))); d != "" {
		t.Errorf("undo left (- before, + after):\n%s", d)
	}
	if d := diff(dumpBefore, dump(t, b)); d != "" {
		t.Errorf("undo left in the dump (- before, + after):\n%s", d)
	}
}

// dump is the database's schema as pg_dump writes it, but for the key that newer
// versions put into \restrict, and the order of grants.
func dump(t *testing.T, b *bench) string {
	t.Helper()
	install, err := postgres.Find(t.Context(), "", b.Cluster().Major)
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(install.Bin, "pg_dump")
	if _, err := os.Stat(program); err != nil {
		// Builds of other majors come without it; the Snapshots are compared there.
		return ""
	}
	cmd := exec.CommandContext(t.Context(), program, "--schema-only", "--dbname", b.URL)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("pg_dump: %v", err)
	}
	var lines, grants []string
	for line := range strings.SplitSeq(string(out), "\n") {
		switch {
		case strings.HasPrefix(line, `\restrict`), strings.HasPrefix(line, `\unrestrict`):
		case strings.HasPrefix(line, "GRANT "), strings.HasPrefix(line, "REVOKE "),
			strings.HasPrefix(line, "ALTER DEFAULT PRIVILEGES"):
			grants = append(grants, line)
		default:
			lines = append(lines, line)
		}
	}
	slices.Sort(grants)
	return strings.Join(append(lines, grants...), "\n")
}
