package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/protect"
)

// protectCase makes a database that lacks everything and a configuration with role
// names of its own. It returns the flags that name both.
func protectCase(t *testing.T) (*pgtest.Database, []string) {
	t.Helper()
	db := pgtest.New(t)
	db.Exec(t, `CREATE SCHEMA app;
		CREATE TABLE app.tenants (id uuid PRIMARY KEY, name text);
		CREATE TABLE app.orders (id bigserial PRIMARY KEY, tenant_id uuid NOT NULL REFERENCES app.tenants, code text UNIQUE);
		CREATE TABLE app.lines (id bigserial PRIMARY KEY, order_id bigint NOT NULL REFERENCES app.orders);
		INSERT INTO app.tenants VALUES ('00000000-0000-0000-0000-000000000001'), ('00000000-0000-0000-0000-000000000002');
		INSERT INTO app.orders (tenant_id) SELECT id FROM app.tenants;
		INSERT INTO app.lines (order_id) SELECT id FROM app.orders;`)
	suffix := strings.TrimPrefix(db.Name, "moat_test")
	file := filepath.Join(t.TempDir(), "moat.yaml")
	text := "tables: {schemas: [app]}\nroles: {"
	for _, role := range []string{"owner", "application", "operator", "definer"} {
		text += fmt.Sprintf("%s: %s%s, ", role, role, suffix)
		db.Adopt(role + suffix)
	}
	if err := os.WriteFile(file, []byte(text+"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return db, []string{"protect", db.URL, "--config", file}
}

func TestProtectPlansAppliesAndUndoes(t *testing.T) {
	t.Parallel()
	_, base := protectCase(t)
	code, out, errs := command(t, base...)
	if code != exitFound || !strings.Contains(out, "Nothing has changed yet;") {
		t.Fatalf("plan: exit %d\n%s%s", code, out, errs)
	}
	for line := range strings.SplitSeq(out, "\n") {
		// Names, SQL and keys of moat.yaml are printed as they are.
		if len([]rune(line)) > 80 && strings.Contains(strings.TrimSpace(line), " ") && !strings.Contains(line, ";") {
			t.Errorf("line of %d columns: %s", len([]rune(line)), line)
		}
	}
	code, out, errs = command(t, append(base, "--apply")...)
	if code != exitOK || !strings.Contains(out, "--until guards") || !strings.Contains(out, "has no password") ||
		!strings.Contains(errs, ": done") {
		t.Fatalf("apply: exit %d\n%s%s", code, out, errs)
	}
	if code, out, errs = command(t, append(base, "--apply", "--until", "guards", "--format", "json")...); code != exitOK {
		t.Fatalf("apply to the end: exit %d\n%s%s", code, out, errs)
	}
	var applied struct {
		Version int
		Applied []string
	}
	if err := json.Unmarshal([]byte(out), &applied); err != nil || applied.Version != 1 || len(applied.Applied) == 0 {
		t.Errorf("JSON of apply: %v\n%s", err, out)
	}
	code, out, _ = command(t, base...)
	if code != exitOK || !strings.Contains(out, "Nothing to do") ||
		!strings.Contains(out, "unique across all tenants: app.orders.orders_code_key") {
		t.Errorf("second plan: exit %d\n%s", code, out)
	}
	if code, out, errs = command(t, append(base, "--undo")...); code != exitFound ||
		!strings.Contains(out, "would be undone") || !strings.Contains(out, "app.lines") {
		t.Errorf("plan of the undo: exit %d\n%s%s", code, out, errs)
	}
	if code, out, errs = command(t, append(base, "--undo", "--apply")...); code != exitOK ||
		!strings.Contains(out, "steps undone") || strings.HasPrefix(out, "0 ") || strings.Contains(errs, " : ") {
		t.Errorf("undo: exit %d\n%s%s", code, out, errs)
	}
	if code, out, _ = command(t, append(base, "--undo")...); code != exitOK || !strings.Contains(out, "Nothing to undo") {
		t.Errorf("undo of nothing: exit %d\n%s", code, out)
	}
}

func TestProtectPlanJSONIsTheSame(t *testing.T) {
	t.Parallel()
	_, base := protectCase(t)
	_, first, _ := command(t, append(base, "--format", "json")...)
	_, second, _ := command(t, append(base, "--format", "json")...)
	var plan protect.Plan
	if err := json.Unmarshal([]byte(first), &plan); err != nil || plan.Version != 1 || plan.Empty() {
		t.Fatalf("JSON: %v\n%s", err, first)
	}
	if first != second {
		t.Error("two plans of one database differ")
	}
}

func TestProtectWhy(t *testing.T) {
	t.Parallel()
	_, base := protectCase(t)
	code, out, errs := command(t, append(base, "--why", "lines")...)
	if code != exitOK || !strings.Contains(out, "app.lines (order_id) → app.orders") ||
		!strings.Contains(out, "[columns] add column tenant_id") {
		t.Errorf("why: exit %d\n%s%s", code, out, errs)
	}
	if code, _, errs := command(t, append(base, "--why", "nothing")...); code != exitError ||
		!strings.Contains(errs, "no table") {
		t.Errorf("why of no table: exit %d %s", code, errs)
	}
}

func TestProtectEmits(t *testing.T) {
	t.Parallel()
	_, base := protectCase(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "007_first.sql"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errs := command(t, append(base, "--emit", "tern", "--dir", dir)...)
	if code != exitOK || !strings.Contains(out, filepath.Join(dir, "008_moat_roles_")) {
		t.Fatalf("emit: exit %d\n%s%s", code, out, errs)
	}
	text, err := os.ReadFile(strings.SplitN(out, "\n", 2)[0])
	if err != nil || !strings.Contains(string(text), "---- create above / drop below ----") {
		t.Errorf("first file: %v\n%s", err, text)
	}
}

func TestProtectRefuses(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"--until", "never"}, {"--format", "xml"}, {"--emit", "liquibase", "--dir", "x"}, {"--emit", "goose"}, {"--dir", "x"},
		{"--why", "x", "--undo"}, {"--batch-size", "-1"},
	} {
		if code, _, errs := command(t, append([]string{"protect", "postgres:///none"}, args...)...); code != exitError ||
			errs == "" {
			t.Errorf("%v: exit %d %s", args, code, errs)
		}
	}
}
