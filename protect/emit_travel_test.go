package protect

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat/internal/migrations/tools"
	"github.com/moat-db/moat/internal/postgres"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/internal/sqltext"
)

// TestEmittedTravels writes migrations on a server that has the roles, and runs them in a
// database of another name on a fresh server, as an owner with CREATEROLE who is no
// superuser. Nothing is left for protect but what that owner may not, which is said.
func TestEmittedTravels(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestEmittedAfterInterruption
	source := newBench(t, simple)
	source.Exec(t, "CREATE ROLE "+source.cfg.Roles.Application+" LOGIN; CREATE ROLE "+source.cfg.Roles.Operator+
		" LOGIN BYPASSRLS; CREATE ROLE "+source.cfg.Roles.Definer+" BYPASSRLS")
	plan := source.plan(t)
	for _, tool := range []string{"plain", "atlas"} {
		t.Run(tool, func(t *testing.T) {
			t.Parallel()
			pgtest.Full(t, "plain")
			files, err := Emit(plan, EmitOptions{Tool: tool, Now: time.Date(2026, 11, 26, 0, 0, 0, 0, time.UTC)})
			if err != nil {
				t.Fatal(err)
			}
			cluster := pgtest.NewCluster(t, postgres.Options{})
			db := cluster.New(t)
			target := benchOf(db.URL, source.suffix)
			target.Database = db
			db.Exec(t, "CREATE ROLE shopowner LOGIN CREATEROLE; ALTER DATABASE "+db.Name+
				" OWNER TO shopowner; ALTER SCHEMA public OWNER TO shopowner")
			db.Exec(t, "SET ROLE shopowner;"+simple)
			warnings := runFiles(t, db.As(t, "shopowner"), tool, files)
			for _, want := range []string{"left out: create event triggers", "left out: create role " +
				source.cfg.Roles.Operator} {
				if !strings.Contains(warnings, want) {
					t.Errorf("not said: %s in\n%s", want, warnings)
				}
			}
			for _, s := range target.plan(t).Steps {
				if !s.Superuser {
					t.Errorf("left for protect: %s", s.ID)
				}
			}
			app := db.Conn(t, db.As(t, source.cfg.Roles.Application))
			db.CheckAppRole(t, source.cfg.Roles.Application)
			if n := visible(t, app, tenantA, "app.lines"); n != 667 {
				t.Errorf("tenant A sees %d lines, want 667", n)
			}
			if n := visible(t, app, "", "app.lines"); n != 0 {
				t.Errorf("nobody sees %d lines", n)
			}
		})
	}
}

// runFiles runs each statement of the files by itself, as psql does, and those of a file
// with a transaction of the tool's in one.
func runFiles(t *testing.T, url, tool string, files []tools.File) (warnings string) {
	t.Helper()
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	config.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) {
		if n.Severity == "WARNING" {
			said = append(said, n.Message)
		}
	}
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for _, f := range files {
		if !strings.HasSuffix(f.Name, ".sql") {
			continue
		}
		if strings.Contains(f.Text, "ON DATABASE "+conn.Config().Database) {
			t.Errorf("%s names a database", f.Name)
		}
		tx := tool == "atlas" && !strings.HasPrefix(f.Text, "-- atlas:txmode none")
		all := sqltext.Split(f.Text)
		if tx {
			all = slices.Insert(append(all, sqltext.Statement{Text: "COMMIT"}), 0, sqltext.Statement{Text: "BEGIN"})
		}
		for _, s := range all {
			if err := execute(t.Context(), conn, []string{s.Text}); err != nil {
				t.Fatalf("%s:%d: %v\n%s", f.Name, s.Line, err, s.Text)
			}
		}
	}
	return strings.Join(said, "\n")
}

// TestEmittedAfterInterruption runs the file of an index again whose building was
// interrupted, and those after it: the index is valid.
func TestEmittedAfterInterruption(t *testing.T) {
	t.Parallel()
	b := newBench(t, simple)
	files, err := Emit(b.plan(t), EmitOptions{Tool: "plain", Now: time.Date(2026, 11, 26, 0, 0, 0, 0, time.UTC)})
	if err != nil {
		t.Fatal(err)
	}
	unique := func(f File) bool { return strings.Contains(f.Text, "CREATE UNIQUE INDEX CONCURRENTLY") }
	at := slices.IndexFunc(files, unique)
	runFiles(t, b.URL, "plain", files[:at])
	runFiles(t, b.URL, "plain", files[at:at+1])
	b.Exec(t, "UPDATE pg_index SET indisvalid = false WHERE indexrelid = (SELECT max(indexrelid) FROM pg_index)")
	runFiles(t, b.URL, "plain", files[at:])
	if again := b.plan(t); !again.Empty() {
		t.Errorf("plan after the migrations: %s", show(again))
	}
}
