package e2e

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-migrate/migrate/v4"
	migratepgx "github.com/golang-migrate/migrate/v4/database/pgx/v5"
	_ "github.com/golang-migrate/migrate/v4/source/file"
	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	_ "github.com/jackc/pgx/v5/stdlib"
	ternmigrate "github.com/jackc/tern/v2/migrate"
	"github.com/pressly/goose/v3"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/protect"
	"github.com/moat-db/moat/tenancy"
)

// tool applies the files of a folder with a migration tool, and takes them back.
type tool struct {
	name     string
	up, down func(ctx context.Context, url, dir string) error
}

func tools() []tool {
	return []tool{
		{"goose", gooseRun(true), gooseRun(false)},
		{"tern", ternRun(true), ternRun(false)},
		{"golang-migrate", migrateRun(true), migrateRun(false)},
		{"plain", plainRun, nil},
		{"dbmate", dbmateRun("-- migrate:up"), nil},
	}
}

func gooseRun(up bool) func(context.Context, string, string) error {
	return func(ctx context.Context, url, dir string) error {
		db, err := sql.Open("pgx", url)
		if err != nil {
			return err
		}
		defer db.Close()
		p, err := goose.NewProvider(goose.DialectPostgres, db, os.DirFS(dir))
		if err != nil {
			return err
		}
		if up {
			_, err = p.Up(ctx)
			return err
		}
		_, err = p.DownTo(ctx, 0)
		return err
	}
}

func ternRun(up bool) func(context.Context, string, string) error {
	return func(ctx context.Context, url, dir string) error {
		conn, err := pgx.Connect(ctx, url)
		if err != nil {
			return err
		}
		defer conn.Close(ctx)
		m, err := ternmigrate.NewMigrator(ctx, conn, "public.schema_version")
		if err != nil {
			return err
		}
		if err := m.LoadMigrations(os.DirFS(dir)); err != nil {
			return err
		}
		if up {
			return m.Migrate(ctx)
		}
		return m.MigrateTo(ctx, 0)
	}
}

func migrateRun(up bool) func(context.Context, string, string) error {
	return func(_ context.Context, url, dir string) error {
		db, err := sql.Open("pgx", url)
		if err != nil {
			return err
		}
		defer db.Close()
		driver, err := migratepgx.WithInstance(db, &migratepgx.Config{})
		if err != nil {
			return err
		}
		m, err := migrate.NewWithDatabaseInstance("file://"+dir, "postgres", driver)
		if err != nil {
			return err
		}
		if up {
			return m.Up()
		}
		return m.Down()
	}
}

// plainRun sends each file as psql --file would: one statement string a file.
func plainRun(ctx context.Context, url, dir string) error {
	return eachFile(ctx, url, dir, func(text string) string { return text })
}

// dbmateRun sends a section of each file, as dbmate does with its driver.
func dbmateRun(mark string) func(context.Context, string, string) error {
	return func(ctx context.Context, url, dir string) error {
		return eachFile(ctx, url, dir, func(text string) string {
			_, rest, _ := strings.Cut(text, mark)
			_, rest, _ = strings.Cut(rest, "\n")
			up, _, _ := strings.Cut(rest, "-- migrate:down")
			return up
		})
	}
}

func eachFile(ctx context.Context, url, dir string, section func(string) string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	names, err := filepath.Glob(filepath.Join(dir, "*.sql"))
	if err != nil {
		return err
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if _, err := conn.PgConn().Exec(ctx, section(string(text))).ReadAll(); err != nil {
			return fmt.Errorf("%s: %w", filepath.Base(name), err)
		}
	}
	return nil
}

// subject is a database with the schema, and what to plan for it with.
type subject struct {
	*pgtest.Database
	cfg  protect.Config
	opts tenancy.Options
}

func newSubject(t *testing.T) *subject {
	t.Helper()
	s := newSubjectOf(t, "testdata/shop.sql")
	s.opts = tenancy.Options{Column: "tenant_id", Tenants: catalog.QName{Schema: "shop", Name: "tenants"},
		Schemas: []string{"shop"}}
	return s
}

// newSubjectOf makes a database with the schema of a file and role names of its own.
func newSubjectOf(t *testing.T, file string) *subject {
	t.Helper()
	s := &subject{Database: pgtest.New(t)}
	s.Exec(t, readFile(t, file))
	suffix := strings.ReplaceAll(s.Name, "moat_test", "")
	s.cfg.Roles = protect.Roles{Owner: "own" + suffix, Application: "app" + suffix, Operator: "ops" + suffix,
		Definer: "def" + suffix}
	for _, r := range []string{s.cfg.Roles.Owner, s.cfg.Roles.Application, s.cfg.Roles.Operator, s.cfg.Roles.Definer} {
		s.Adopt(r)
	}
	return s
}

func (s *subject) open(ctx context.Context) (*pgx.Conn, error) { return pgx.Connect(ctx, s.URL) }

func (s *subject) plan(t *testing.T) *protect.Plan {
	t.Helper()
	conn, err := s.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	plan, _, unseen, err := protect.Look(t.Context(), conn, s.opts, s.cfg)
	if err := errors.Join(err, unseen); err != nil {
		t.Fatal(err)
	}
	return plan
}

// schema is the database's Snapshot as text, without the journal of --apply, the
// tool's own table and the names that differ between databases of a test.
func (s *subject) schema(t *testing.T) string {
	t.Helper()
	conn, err := s.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	snap, err := catalog.Load(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	snap.Roles, snap.Memberships = nil, nil
	var kept []catalog.Relation
	for _, r := range snap.Relations {
		if r.Schema == "shop" || (r.Schema == "moat" && r.Name == "protected") {
			kept = append(kept, r)
		}
	}
	snap.Relations = kept
	text, err := json.MarshalIndent(snap, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return strings.NewReplacer(s.Name, "DATABASE", strings.ReplaceAll(s.Name, "moat_test", ""), "ROLES").
		Replace(string(text))
}

func (s *subject) rows(t *testing.T) string {
	t.Helper()
	var text string
	conn := s.Conn(t, s.URL)
	err := conn.QueryRow(t.Context(), "SELECT string_agg(concat_ws(' ', i.id, i.tenant_id, o.tenant_id), E'\\n' ORDER "+
		"BY i.id) FROM shop.items i JOIN shop.orders o ON o.id = i.order_id").Scan(&text)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestToolsGiveTheSameSchema applies the same plan by --apply and by every tool.
func TestToolsGiveTheSameSchema(t *testing.T) {
	t.Parallel()
	applied := newSubject(t)
	before := applied.schema(t)
	if _, err := protect.Apply(t.Context(), applied.open, applied.plan(t),
		protect.ApplyOptions{Until: protect.GroupGuards}); err != nil {
		t.Fatal(err)
	}
	want, wantRows := applied.schema(t), applied.rows(t)
	for _, tool := range tools() {
		t.Run(string(tool.name), func(t *testing.T) {
			t.Parallel()
			s := newSubject(t)
			dir := emit(t, s, tool.name)
			if err := tool.up(t.Context(), s.URL, dir); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(strings.Split(want, "\n"), strings.Split(s.schema(t), "\n")); d != "" {
				t.Errorf("schema (- apply, + %s):\n%s", tool.name, d)
			}
			if d := cmp.Diff(wantRows, s.rows(t)); d != "" {
				t.Errorf("rows (- apply, + %s):\n%s", tool.name, d)
			}
			if again := s.plan(t); !again.Empty() {
				t.Errorf("%d steps are planned after %s", len(again.Steps), tool.name)
			}
			if tool.down == nil {
				return
			}
			if err := tool.down(t.Context(), s.URL, dir); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(strings.Split(before, "\n"), strings.Split(s.schema(t), "\n")); d != "" {
				t.Errorf("schema after down (- before, + after):\n%s", d)
			}
		})
	}
}

// emit writes the plan into a folder that holds a migration already.
func emit(t *testing.T, s *subject, name string) string {
	t.Helper()
	dir := t.TempDir()
	files, err := protect.Emit(s.plan(t),
		protect.EmitOptions{Tool: name, Now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if err := os.WriteFile(filepath.Join(dir, f.Name), []byte(f.Text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
