package pgtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Database is one database of a test.
type Database struct {
	// URL connects as superuser, who sees every row whatever the policies say.
	URL string
	// Name is the database's name.
	Name string
	// Roles are the roles made for this database or its template, by the prefix
	// that was asked for.
	Roles map[string]string

	cluster *Cluster
	kept    chan *pgx.Conn // a superuser's session between two uses
	mu      sync.Mutex
	drops   []string // roles to drop after the database
}

// Cluster returns the cluster that holds the database.
func (d *Database) Cluster() *Cluster { return d.cluster }

// Exec runs SQL as superuser over a session that nobody else has, and nothing a SET does
// lasts. Without args sql may hold several statements, which are one transaction.
func (d *Database) Exec(t testing.TB, sql string, args ...any) {
	t.Helper()
	err := d.withSession(func(ctx context.Context, conn *pgx.Conn) error {
		if len(args) == 0 {
			_, err := conn.PgConn().Exec(ctx, sql).ReadAll()
			return err
		}
		// Prepares nothing: DISCARD ALL would drop it, and pgx would not know.
		_, err := conn.Exec(ctx, sql, append([]any{pgx.QueryExecModeDescribeExec}, args...)...)
		return err
	})
	if err != nil {
		t.Fatalf("pgtest: %s\nin: %s", describe(err), sql)
	}
}

// withSession runs fn over a session as good as new: connecting, and reading the catalog
// for the first time, cost more than most of what a test says.
func (d *Database) withSession(fn func(ctx context.Context, conn *pgx.Conn) error) error {
	ctx := context.Background()
	conn, err := d.session(ctx)
	if err != nil {
		return err
	}
	err = fn(ctx, conn)
	if _, failed := conn.PgConn().Exec(ctx, "DISCARD ALL").ReadAll(); failed == nil {
		select {
		case d.kept <- conn:
			return err
		default:
		}
	}
	conn.Close(ctx)
	return err
}

// session returns the kept session, or a new one: a test may have ended it.
func (d *Database) session(ctx context.Context) (*pgx.Conn, error) {
	select {
	case conn := <-d.kept:
		if conn.Ping(ctx) == nil {
			return conn, nil
		}
		conn.Close(ctx)
	default:
	}
	return pgx.Connect(ctx, d.URL)
}

// HangUp ends the session that Exec keeps, for tests that count the sessions of a database or need it
// to have none.
func (d *Database) HangUp() {
	select {
	case conn := <-d.kept:
		conn.Close(context.Background())
	default:
	}
}

// Conn connects to url and closes the connection when the test ends.
func (d *Database) Conn(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), url)
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

// As returns the connection string of this database for a role.
func (d *Database) As(t testing.TB, role string) string {
	t.Helper()
	return d.cluster.urlOf(d.Name, role)
}

// Role creates a role with a unique name that starts with prefix, and returns the
// name. attributes are those of CREATE ROLE, such as "LOGIN NOINHERIT". The role is
// dropped after the database.
func (d *Database) Role(t testing.TB, prefix, attributes string) string {
	t.Helper()
	name := unique(prefix)
	sql := fmt.Sprintf("CREATE ROLE %s %s", quote(name), attributes)
	if d.cluster.password != "" && !strings.Contains(strings.ToUpper(attributes), "PASSWORD") {
		sql += fmt.Sprintf(" PASSWORD '%s'", d.cluster.password) // letters and digits only
	}
	if err := d.cluster.admin(sql); err != nil {
		t.Fatalf("pgtest: create role %s: %s", name, describe(err))
	}
	d.Adopt(name)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.Roles[prefix] = name
	return name
}

// Adopt drops a role that the code under test creates, after the database.
func (d *Database) Adopt(role string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.drops = append(d.drops, role)
}

// Foreign reports whether a role of the cluster is neither PostgreSQL's own nor of this
// database's test: one that another test made, or who shares the cluster. What looks at
// all roles must leave those out.
func (d *Database) Foreign(role string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	own := role == d.cluster.superuser || strings.HasPrefix(role, "pg_") || slices.Contains(d.drops, role)
	for _, made := range d.Roles {
		own = own || role == made
	}
	return !own
}

// AppAttributes are those of a role that [Database.AppRole] creates.
const AppAttributes = "LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION"

// AppRole creates a role as an application has: it logs in, owns nothing and cannot
// bypass row-level security. Privileges on tables are the test's to grant.
func (d *Database) AppRole(t testing.TB) string {
	t.Helper()
	role := d.Role(t, "app", AppAttributes)
	d.CheckAppRole(t, role)
	return role
}

// bypassingRoles has one row: the superusers and BYPASSRLS roles among a role and
// those it is a member of. No row when there is no such role.
const bypassingRoles = `
	WITH RECURSIVE reach(oid) AS (
		SELECT oid FROM pg_catalog.pg_roles WHERE rolname = $1
		UNION
		SELECT m.roleid FROM pg_catalog.pg_auth_members AS m JOIN reach ON m.member = reach.oid
	)
	SELECT array_agg(r.rolname::text) FILTER (WHERE r.rolsuper OR r.rolbypassrls)
	FROM reach JOIN pg_catalog.pg_roles AS r USING (oid)
	HAVING count(*) > 0`

// CheckAppRole fails the test when the role, or a role it is a member of, is a
// superuser or has BYPASSRLS: what it sees would prove nothing.
func (d *Database) CheckAppRole(t testing.TB, role string) {
	t.Helper()
	var bypassing []string
	err := d.cluster.maintain(func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, bypassingRoles, role).Scan(&bypassing)
	})
	if err != nil {
		t.Fatalf("pgtest: look at role %s: %v", role, err)
	}
	if len(bypassing) > 0 {
		t.Fatalf("pgtest: role %s bypasses row-level security through %s", role, strings.Join(bypassing, ", "))
	}
}

// drop removes the database and then its roles, which may own things in it.
func (d *Database) drop(t testing.TB) {
	t.Helper()
	d.HangUp()
	sql := fmt.Sprintf("DROP DATABASE IF EXISTS %s WITH (FORCE)", quote(d.Name))
	err := d.cluster.admin(sql)
	if objectInUse(err) {
		err = errors.Join(d.releaseHolds(), d.cluster.admin(sql))
	}
	if err != nil {
		t.Errorf("pgtest: %s", describe(err))
		return
	}
	for i := len(d.drops) - 1; i >= 0; i-- {
		if err := d.cluster.admin("DROP ROLE IF EXISTS " + quote(d.drops[i])); err != nil {
			t.Errorf("pgtest: %s", describe(err))
		}
	}
}

// releaseHolds ends what holds a database against FORCE: prepared transactions, which only
// a session in that database can end, and inactive replication slots.
func (d *Database) releaseHolds() error {
	return withConn(d.URL, func(ctx context.Context, conn *pgx.Conn) error {
		rows, _ := conn.Query(ctx, "SELECT gid FROM pg_catalog.pg_prepared_xacts WHERE database = current_database()")
		gids, err := pgx.CollectRows(rows, pgx.RowTo[string])
		for _, gid := range gids {
			_, failed := conn.Exec(ctx, "ROLLBACK PREPARED '"+strings.ReplaceAll(gid, "'", "''")+"'")
			err = errors.Join(err, failed)
		}
		_, failed := conn.Exec(ctx, `SELECT pg_catalog.pg_drop_replication_slot(slot_name)
			FROM pg_catalog.pg_replication_slots WHERE database = current_database()`)
		return errors.Join(err, failed)
	})
}

func objectInUse(err error) bool {
	var pgErr *pgconn.PgError
	return errors.As(err, &pgErr) && pgErr.Code == "55006"
}

// describe adds what PostgreSQL says in addition to its message: a test's SQL is not a secret.
func describe(err error) string {
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) {
		return err.Error()
	}
	parts := []string{pgErr.Error()}
	for label, text := range map[string]string{"detail": pgErr.Detail, "hint": pgErr.Hint, "where": pgErr.Where} {
		if text != "" {
			parts = append(parts, label+": "+text)
		}
	}
	return strings.Join(parts, "\n")
}
