package migrations_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/internal/migrations"
	"github.com/moat-db/moat/internal/postgres"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/internal/sqltext"
)

// Each sample folder makes the table leads with an open policy, leads_all, in its
// second file. A server each: Apply makes roles with fixed names.
func TestTools(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		files  []string
		policy migrations.Place
	}{
		"goose": {[]string{"00001_init.sql", "00002_policy.sql"},
			migrations.Place{File: "testdata/goose/00002_policy.sql", Line: 10}},
		"tern": {[]string{"001_init.sql", "002_policy.sql"},
			migrations.Place{File: "testdata/tern/002_policy.sql", Line: 8}},
		"golang-migrate": {[]string{"9_init.up.sql", "10_policy.up.sql"},
			migrations.Place{File: "testdata/golang-migrate/10_policy.up.sql", Line: 8}},
		"dbmate": {[]string{"20260101000000_init.sql", "20260102000000_policy.sql"},
			migrations.Place{File: "testdata/dbmate/20260102000000_policy.sql", Line: 9}},
		"atlas": {[]string{"20260101000000_init.sql", "20260102000000_policy.sql"},
			migrations.Place{File: "testdata/atlas/20260102000000_policy.sql", Line: 9}},
		"flyway": {[]string{"V1.9__init.sql", "V1.10__policy.sql", "R__view.sql"},
			migrations.Place{File: "testdata/flyway/V1.10__policy.sql", Line: 8}},
		"supabase": {[]string{"20260101000000_init.sql", "20260102000000_policy.sql"},
			migrations.Place{File: "testdata/supabase/migrations/20260102000000_policy.sql", Line: 8}},
		"plain": {[]string{"20260101000000_init.sql", "20260102000000_policy.sql"},
			migrations.Place{File: "testdata/plain/20260102000000_policy.sql", Line: 8}},
	}
	for tool, test := range tests {
		t.Run(string(tool), func(t *testing.T) {
			t.Parallel()
			pgtest.Full(t, "goose", "flyway", "supabase") // its order, its names, its folder
			f, err := migrations.Read("testdata/" + string(tool))
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, file := range f.Files {
				names = append(names, file.Name)
			}
			if f.Tool.Name != tool {
				t.Errorf("tool %s", f.Tool.Name)
			}
			if diff := cmp.Diff(test.files, names); diff != "" {
				t.Error(diff)
			}
			conn := server(t)
			applied, err := migrations.Apply(context.Background(), conn, f, false)
			if err != nil {
				t.Fatal(err)
			}
			if tool != "supabase" && !strings.Contains(strings.Join(applied.Notes, " "), "role web") {
				t.Errorf("nothing said of the role that no file makes: %q", applied.Notes)
			}
			checkApplied(t, conn)
			got, ok := migrations.NewLocator(f).Find("policy-always-true", "public.leads.leads_all")
			if diff := cmp.Diff(test.policy, got); !ok || diff != "" {
				t.Errorf("found %v:\n%s", ok, diff)
			}
		})
	}
}

// checkApplied looks for the policy, and for an owner that policies can bind.
func checkApplied(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	var policies int
	var owner string
	var super bool
	err := conn.QueryRow(context.Background(), `SELECT (SELECT count(*) FROM pg_catalog.pg_policy), r.rolname, r.rolsuper
		FROM pg_catalog.pg_class c JOIN pg_catalog.pg_roles r ON r.oid = c.relowner WHERE c.relname = 'leads'`).
		Scan(&policies, &owner, &super)
	if err != nil || policies != 1 || owner != migrations.Migrator || super {
		t.Errorf("%d policies, owner %s, superuser %v, %v", policies, owner, super, err)
	}
}

func server(t *testing.T) *pgx.Conn {
	t.Helper()
	ctx := context.Background()
	s, err := postgres.Start(ctx, postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Stop() })
	conn, err := pgx.Connect(ctx, s.URL("postgres", postgres.Superuser))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(ctx) })
	return conn
}

func TestApplySaysWhereItFails(t *testing.T) {
	t.Parallel()
	f := migrations.Folder{Files: []migrations.File{{Path: "db/1.sql"}}}
	f.Files[0].Statements = append(f.Files[0].Statements, statement("SELECT 1", 1), statement("CREATE TABLE broken (", 4))
	_, err := migrations.Apply(context.Background(), server(t), f, false)
	var failed *migrations.Error
	if !errors.As(err, &failed) || failed.File != "db/1.sql" || failed.Line != 4 {
		t.Errorf("got %v", err)
	}
}

func TestReadWithoutFiles(t *testing.T) {
	t.Parallel()
	if _, err := migrations.Read(t.TempDir()); !errors.Is(err, migrations.ErrNoFiles) {
		t.Errorf("got %v", err)
	}
	if _, err := migrations.Read("testdata/none"); err == nil {
		t.Error("a missing folder is no error")
	}
}

func TestLocator(t *testing.T) {
	t.Parallel()
	f, err := migrations.Read("testdata/goose")
	if err != nil {
		t.Fatal(err)
	}
	l := migrations.NewLocator(f)
	tests := map[string]struct {
		rule, object string
		line         int
	}{
		"table":         {"rls-disabled", "public.leads", 2},
		"grant":         {"grant-truncate", "public.leads", 11},
		"primary key":   {"key-surrogate", "public.leads.leads_pkey", 3},
		"column":        {"key-unique", "public.leads.leads_email_key", 5},
		"function":      {"func-search-path", "public.touch()", 4},
		"policy":        {"policy-always-true", "public.leads.leads_all", 10},
		"other schema":  {"rls-disabled", "other.leads", 2}, // an unqualified name may be any
		"nothing there": {"rls-disabled", "public.orders", 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, ok := l.Find(test.rule, test.object)
			if p.Line != test.line || ok != (test.line > 0) {
				t.Errorf("line %d, %v; want %d", p.Line, ok, test.line)
			}
		})
	}
}

// What reads a table is not what made it.
func TestLocatorPassesOverReaders(t *testing.T) {
	t.Parallel()
	var f migrations.Folder
	f.Files = []migrations.File{{Path: "1.sql", Statements: []sqltext.Statement{
		statement("CREATE TABLE leads (id int)", 1),
		statement("CREATE VIEW open_leads AS SELECT * FROM leads", 2),
		statement("SELECT count(*) FROM leads", 3),
	}}}
	if p, ok := migrations.NewLocator(f).Find("rls-disabled", "public.leads"); !ok || p.Line != 1 {
		t.Errorf("found %+v, %v", p, ok)
	}
}

func statement(text string, line int) sqltext.Statement {
	return sqltext.Statement{Text: text, Line: line}
}
