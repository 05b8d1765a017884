package lifecycle_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/lifecycle"
)

// interrupted begins an export and gives it up once so many tables are done.
func (w *world) interrupted(t *testing.T, name string, tables int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	opts := lifecycle.ExportOptions{Progress: func(_ string, _ int64, done bool) {
		if done {
			tables--
		} else if tables == 0 {
			cancel()
		}
	}}
	_, err := w.operator(t).ExportFile(ctx, acme, name, opts)
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("interrupted: %v", err)
	}
}

// goOn ends an export, checks the file against one made in one go, and returns how many
// tables were kept.
func (w *world) goOn(t *testing.T, name string, opts lifecycle.ExportOptions) (kept int) {
	t.Helper()
	opts.Kept = func(tables int) { kept = tables }
	if _, err := w.operator(t).ExportFile(t.Context(), acme, name, opts); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	got, err := lifecycle.ReadExport(file)
	if err != nil {
		t.Fatal(err)
	}
	// The fingerprint knows the server's roles, which tests of other databases make and drop.
	want := must2(lifecycle.ReadExport(readerOf(w.export(t, acme))))
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(lifecycle.Manifest{}, "TakenAt", "WAL", "LeftOut", "Schema"),
		cmpopts.IgnoreFields(lifecycle.Table{}, "Columns", "Bytes", "SHA256"), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("the export that went on:\n%s", diff)
	}
	for i := range want.Tables {
		if len(opts.LeaveOut) == 0 && want.Tables[i].SHA256 != got.Tables[i].SHA256 {
			t.Errorf("%s.%s holds other rows", got.Tables[i].Schema, got.Tables[i].Name)
		}
	}
	left, _ := filepath.Glob(name + ".*")
	if len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	return kept
}

// One export to a file keeps a second one out, and leaves nothing that keeps out a third.
func TestExportsToOneFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Shared(t))
	name := filepath.Join(t.TempDir(), "acme.tar.zst")
	second := w.operator(t)
	var refused error
	opts := lifecycle.ExportOptions{Progress: func(string, int64, bool) {
		if refused == nil {
			_, refused = second.ExportFile(t.Context(), globex, name, lifecycle.ExportOptions{})
		}
	}}
	if _, err := w.operator(t).ExportFile(t.Context(), acme, name, opts); err != nil {
		t.Fatal(err)
	}
	if refused == nil || !strings.Contains(refused.Error(), "is under way") {
		t.Errorf("a second export: %v", refused)
	}
	w.goOn(t, name, lifecycle.ExportOptions{})
}

// An interrupted export goes on after its last whole table whose rows are what they were.
// No test runs beside it: an open transaction of another would have more read again.
func TestExportGoesOn(t *testing.T) {
	w := newWorld(t, pgtest.Shared(t))
	order := must2(lifecycle.ReadExport(readerOf(w.export(t, acme)))).Tables
	place := func(table string) int {
		for i, t := range order {
			if t.Schema+"."+t.Name == table {
				return i
			}
		}
		t.Fatalf("no table %s", table)
		return 0
	}
	all := len(order)
	name := filepath.Join(t.TempDir(), "acme.tar.zst")
	cases := []struct {
		about, sql string
		kept       int
		opts       lifecycle.ExportOptions
	}{
		{about: "nothing happened", sql: "SELECT $1::uuid", kept: all},
		{"another tenant wrote", "UPDATE app.teams SET name = name || '!' WHERE tenant_id <> $1", all,
			lifecycle.ExportOptions{}},
		{"a row changed", "UPDATE app.teams SET name = name || '!' WHERE tenant_id = $1", place("app.teams"),
			lifecycle.ExportOptions{}},
		{"a row went", "DELETE FROM app.events WHERE id = (SELECT min(id) FROM app.events WHERE tenant_id = $1)",
			place("app.events"), lifecycle.ExportOptions{}},
		{"one row for another", "WITH gone AS (DELETE FROM app.audit_log WHERE ctid = (SELECT max(ctid) " +
			"FROM app.audit_log WHERE tenant_id = $1) RETURNING *) " +
			"INSERT INTO app.audit_log OVERRIDING SYSTEM VALUE SELECT * FROM gone", place("app.audit_log"),
			lifecycle.ExportOptions{}},
		// A blob is the tenant's by the file that refers to it, and stands before it.
		{"what makes rows the tenant's changed", "UPDATE app.files SET name = name WHERE tenant_id = $1",
			place("app.blobs"), lifecycle.ExportOptions{}},
		{"other columns are wanted", "SELECT $1::uuid", 0, lifecycle.ExportOptions{LeaveOut: []string{"app.people.email"}}},
	}
	if testing.Short() {
		cases = cases[:3]
	}
	for _, c := range cases {
		w.interrupted(t, name, all)
		w.Exec(t, c.sql, acme)
		if kept := w.goOn(t, name, c.opts); kept != c.kept {
			t.Errorf("%s: %d tables kept, want %d", c.about, kept, c.kept)
		}
	}
	moments := []int{all / 2, 0, 1, all - 1}
	if testing.Short() {
		moments = moments[:1]
	}
	for _, tables := range moments {
		w.interrupted(t, name, tables)
		if kept := w.goOn(t, name, lifecycle.ExportOptions{}); kept != tables {
			t.Errorf("interrupted after %d tables: %d kept", tables, kept)
		}
	}
}

// A zip after an interrupted archive of the same name is a zip.
func TestExportOfAnotherKindStartsAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Shared(t))
	name := filepath.Join(t.TempDir(), "acme")
	w.interrupted(t, name, 5)
	if _, err := w.operator(t).ExportFile(t.Context(), acme, name, lifecycle.ExportOptions{Format: "csv"}); err != nil {
		t.Fatal(err)
	}
	data := must2(os.ReadFile(name))
	if string(data[:2]) != "PK" {
		t.Errorf("begins with % x", data[:4])
	}
}

// Killed at any moment, an export goes on and is whole.
func TestKilledExportGoesOn(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestExportGoesOn, which is interrupted at places
	w := newWorld(t, pgtest.Shared(t))
	name := filepath.Join(t.TempDir(), "acme.tar.zst")
	kept := 0
	for range kills() {
		w.killed(t, 1+rand.IntN(28), "MOAT_TEST_WORKER_TO="+name)
		if _, err := os.Stat(name); err == nil && rand.IntN(2) == 0 {
			os.Remove(name)
		}
		kept = max(kept, w.goOn(t, name, lifecycle.ExportOptions{}))
	}
	if kept == 0 {
		t.Error("nothing was ever kept")
	}
}
