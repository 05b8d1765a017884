package pgtest_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/moat-db/moat/internal/postgres"
	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// one returns the single value of a query.
func one[T any](t testing.TB, db *pgtest.Database, url, sql string, args ...any) T {
	t.Helper()
	var value T
	if err := db.Conn(t, url).QueryRow(context.Background(), sql, args...).Scan(&value); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return value
}

func TestNewMakesAnEmptyDatabaseOnEachMajor(t *testing.T) {
	t.Parallel()
	pgtest.EachMajor(t, func(t *testing.T, c *pgtest.Cluster) {
		t.Parallel()
		db := c.New(t)
		if name := one[string](t, db, db.URL, "SELECT current_database()"); name != db.Name {
			t.Errorf("connected to %s, want %s", name, db.Name)
		}
		if n := one[int](t, db, db.URL,
			"SELECT count(*) FROM pg_catalog.pg_class WHERE relnamespace = 'public'::regnamespace"); n != 0 {
			t.Errorf("%d relations in a new database", n)
		}
		if n := one[int](t, db, db.URL, "SELECT current_setting('server_version_num')::int / 10000"); n != c.Major {
			t.Errorf("server is %d, cluster says %d", n, c.Major)
		}
	})
}

func TestExecAndConnWork(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	db.Exec(t, "CREATE TABLE leads (id int); SET search_path = nowhere")
	db.Exec(t, "INSERT INTO leads VALUES ($1)", 7)
	if id := one[int](t, db, db.URL, "SELECT id FROM leads"); id != 7 {
		t.Errorf("read %d, want 7", id)
	}
}

func TestCleanupDropsDatabaseAndRoles(t *testing.T) {
	t.Parallel()
	keeper := pgtest.New(t)
	var name, role string
	t.Run("inner", func(t *testing.T) {
		db := pgtest.New(t)
		name, role = db.Name, db.Role(t, "owner", "LOGIN")
		db.Exec(t, "ALTER DATABASE "+name+" OWNER TO "+role+"; SET ROLE "+role+"; CREATE SCHEMA mine; CREATE TABLE mine.t ()")
		db.Conn(t, db.As(t, role)) // an open connection must not hold the drop
	})
	if n := one[int](t, keeper, keeper.URL, "SELECT count(*) FROM pg_catalog.pg_database WHERE datname = $1",
		name); n != 0 {
		t.Errorf("database %s is still there", name)
	}
	if n := one[int](t, keeper, keeper.URL, "SELECT count(*) FROM pg_catalog.pg_roles WHERE rolname = $1", role); n != 0 {
		t.Errorf("role %s is still there", role)
	}
}

// Prepared transactions and replication slots hold a database even against FORCE.
func TestCleanupDropsWhatHoldsTheDatabase(t *testing.T) {
	t.Parallel()
	cluster := pgtest.NewCluster(t, postgres.Options{}) // slots are few
	keeper := cluster.New(t)
	var name string
	t.Run("inner", func(t *testing.T) {
		db := cluster.New(t)
		name = db.Name
		// In this order: a slot waits for the end of prepared transactions.
		db.Exec(t, "CREATE TABLE leads (id int)")
		db.Exec(t, "SELECT pg_create_logical_replication_slot('held', 'pgoutput')")
		conn := db.Conn(t, db.URL)
		for _, sql := range []string{"BEGIN", "INSERT INTO leads VALUES (1)", "PREPARE TRANSACTION 'it''s held'"} {
			if _, err := conn.Exec(t.Context(), sql); err != nil {
				t.Fatalf("%s: %v", sql, err)
			}
		}
	})
	if n := one[int](t, keeper, keeper.URL, "SELECT count(*) FROM pg_catalog.pg_database WHERE datname = $1",
		name); n != 0 {
		t.Errorf("database %s is still there", name)
	}
}

func TestAppRoleIsSubjectToPolicies(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	role := db.AppRole(t)
	db.Exec(t, `CREATE TABLE leads (id int); INSERT INTO leads VALUES (1);
		ALTER TABLE leads ENABLE ROW LEVEL SECURITY; GRANT SELECT ON leads TO public`)
	if user := one[string](t, db, db.As(t, role), "SELECT current_user::text"); user != role {
		t.Errorf("connected as %s, want %s", user, role)
	}
	if n := one[int](t, db, db.As(t, role), "SELECT count(*) FROM leads"); n != 0 {
		t.Errorf("the application role sees %d rows without a policy, want 0", n)
	}
}

// refusal runs fn with a testing.TB that records a fatal failure instead of failing.
func refusal(t *testing.T, fn func(t testing.TB)) string {
	t.Helper()
	probe := &probeTB{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		fn(probe)
	}()
	<-done
	return probe.message
}

func TestCheckAppRoleRefusesWhoSeesEveryRow(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	super, bypass := db.Role(t, "super", "LOGIN SUPERUSER"), db.Role(t, "bypass", "NOLOGIN BYPASSRLS")
	member := db.Role(t, "member", "LOGIN NOINHERIT")
	group := db.Role(t, "group", "NOLOGIN")
	db.Exec(t, fmt.Sprintf("GRANT %s TO %s; GRANT %s TO %s", bypass, group, group, member))
	for _, role := range []string{super, bypass, member, "moat_no_such_role"} {
		if got := refusal(t, func(t testing.TB) { db.CheckAppRole(t, role) }); !strings.Contains(got, role) {
			t.Errorf("role %s is taken for an application's: %q", role, got)
		}
	}
}

func TestTemplateIsBuiltOnceAndCopied(t *testing.T) {
	t.Parallel()
	pgtest.EachMajor(t, func(t *testing.T, c *pgtest.Cluster) {
		var built atomic.Int32
		setup := func(t testing.TB, db *pgtest.Database) {
			built.Add(1)
			role := db.AppRole(t)
			db.Exec(t, "CREATE TABLE leads (id int); INSERT INTO leads VALUES (1); GRANT SELECT ON leads TO "+role)
			db.Conn(t, db.URL) // left open: it must not hold the copies
		}
		for i := range 4 {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				db := c.Template(t, "once", setup)
				if n := one[int](t, db, db.As(t, db.Roles["app"]), "SELECT count(*) FROM leads"); n != 1 {
					t.Errorf("the copy has %d rows, want 1", n)
				}
				db.Exec(t, "DELETE FROM leads") // seen by no other copy
			})
		}
		t.Cleanup(func() {
			if n := built.Load(); n != 1 && c.Server != nil {
				t.Errorf("setup ran %d times, want once", n)
			}
		})
	})
}

func TestTemplateIsTriedAgainAfterAFailure(t *testing.T) {
	t.Parallel()
	c := pgtest.Shared(t)
	refusal(t, func(t testing.TB) {
		c.Template(t, "fails first", func(t testing.TB, db *pgtest.Database) { t.Fatalf("on purpose") })
	})
	db := c.Template(t, "fails first", func(t testing.TB, db *pgtest.Database) { db.Exec(t, "CREATE TABLE leads ()") })
	db.Exec(t, "SELECT FROM leads")
}

func TestClusterIsFitForCatalogTests(t *testing.T) {
	t.Parallel()
	db := pgtest.NewCluster(t, postgres.Options{Settings: map[string]string{"work_mem": "3MB"}}).New(t)
	for setting, want := range map[string]string{
		"max_connections": "200", "wal_level": "logical", "max_prepared_transactions": "10", "fsync": "off",
		"work_mem": "3MB",
	} {
		if got := one[string](t, db, db.URL, "SELECT current_setting($1)", setting); got != want {
			t.Errorf("%s is %s, want %s", setting, got, want)
		}
	}
}

func TestURLConnectsWithPgxAndNamesTheRole(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	config, err := pgx.ParseConfig(db.As(t, "some role"))
	if err != nil || config.User != "some role" || config.Database != db.Name {
		t.Errorf("parsed %+v, %v", config, err)
	}
}

// Roles are the cluster's: those of another database's test are told from one's own.
func TestForeign(t *testing.T) {
	t.Parallel()
	mine, other := pgtest.New(t), pgtest.New(t)
	made, adopted := mine.Role(t, "made", ""), mine.Role(t, "base", "")+"_more"
	mine.Exec(t, "CREATE ROLE "+adopted)
	mine.Adopt(adopted)
	for role, foreign := range map[string]bool{
		made: false, adopted: false, "pg_monitor": false, other.Role(t, "made", ""): true,
	} {
		if mine.Foreign(role) != foreign {
			t.Errorf("%s: foreign is %v, want %v", role, !foreign, foreign)
		}
	}
}
