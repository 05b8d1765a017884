// Package pgtest gives each test a PostgreSQL database of its own.
//
// The databases live on one private cluster per test process, started by the first
// test that asks and gone when the process is, kill -9 included. MOAT_TEST_DATABASE_URL
// names an existing cluster to use instead; its role must be a superuser. With
// neither binaries nor that variable a test fails: it is never skipped.
//
// Databases are dropped by the test's Cleanup. Roles belong to the whole cluster, so
// they get unique names and are dropped after the database of their test.
//
// The superuser and the owner of a table see every row. A test about isolation uses
// [Database.AppRole], which checks that its role cannot.
package pgtest

import (
	"context"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
)

// New makes an empty database on the shared cluster. It is dropped when the test ends.
func New(t testing.TB) *Database {
	t.Helper()
	return Shared(t).New(t)
}

// Template makes a database that is a copy of the template called name on the
// shared cluster. See [Cluster.Template].
func Template(t testing.TB, name string, setup func(t testing.TB, db *Database)) *Database {
	t.Helper()
	return Shared(t).Template(t, name, setup)
}

// New makes an empty database. It is dropped when the test ends.
func (c *Cluster) New(t testing.TB) *Database {
	t.Helper()
	if c.Server != nil {
		// In a copy of what somebody has connected to, the first connection costs half.
		return c.Template(t, "", func(t testing.TB, db *Database) { db.Exec(t, "SELECT") })
	}
	db := c.create(t, "template0")
	t.Cleanup(func() { db.drop(t) })
	return db
}

// create makes a database as a copy of another. Copying files beats writing the
// copy through the log (35 ms against 88), where the choice exists.
func (c *Cluster) create(t testing.TB, template string) *Database {
	t.Helper()
	name := unique("test")
	sql := fmt.Sprintf("CREATE DATABASE %s TEMPLATE %s", quote(name), quote(template))
	if c.Major >= 15 {
		sql += " STRATEGY file_copy"
	}
	if err := c.admin(sql); err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	return &Database{Name: name, URL: c.urlOf(name, c.superuser), Roles: map[string]string{}, cluster: c,
		kept: make(chan *pgx.Conn, 1)}
}

// admin runs one statement in the maintenance database of each server.
func (c *Cluster) admin(sql string) error {
	for _, w := range c.workers {
		if err := w.admin(sql); err != nil {
			return err
		}
	}
	return c.maintain(func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.PgConn().Exec(ctx, sql).ReadAll()
		return err
	})
}

// maintain runs fn with a connection to the maintenance database, and keeps it for the
// next: connecting costs more than most of what is done over it.
func (c *Cluster) maintain(fn func(ctx context.Context, conn *pgx.Conn) error) error {
	ctx := context.Background()
	conn, err := c.maintenance(ctx)
	if err != nil {
		return err
	}
	defer func() {
		select {
		case c.kept <- conn:
		default:
			conn.Close(ctx)
		}
	}()
	return fn(ctx, conn)
}

// maintenance returns a kept connection, or a new one: a test may have ended them all.
func (c *Cluster) maintenance(ctx context.Context) (*pgx.Conn, error) {
	select {
	case conn := <-c.kept:
		if conn.Ping(ctx) == nil {
			return conn, nil
		}
		conn.Close(ctx)
	default:
	}
	return pgx.Connect(ctx, c.urlOf("postgres", c.superuser))
}

// withConn runs fn with a connection that is closed when fn returns.
func withConn(url string, fn func(ctx context.Context, conn *pgx.Conn) error) error {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	return fn(ctx, conn)
}

func quote(name string) string { return pgx.Identifier{name}.Sanitize() }
