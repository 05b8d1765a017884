package prove

import (
	"context"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Databases are the two connections that [Isolated] needs, as connection strings:
// the operator's sees every row, the application's is the one under attack.
type Databases struct{ Operator, Application string }

// Isolated fails the test for each leak, and for each probe that stays undecided, on
// the named tables ("schema.table"); without names, on everything in the database.
// It is for a program's own tests: call it after the migrations have run. Each
// failure carries the script that reproduces it in psql.
//
// It runs what [Database] runs: nothing is committed.
func Isolated(t testing.TB, db Databases, tables ...string) {
	t.Helper()
	operator, err := pgx.ParseConfig(db.Operator)
	if err != nil {
		t.Fatalf("prove: the operator's connection string cannot be read")
	}
	application, err := pgx.ParseConfig(db.Application)
	if err != nil {
		t.Fatalf("prove: the application's connection string cannot be read")
	}
	r, err := Database(context.Background(), operator, application, Options{})
	if err != nil {
		t.Fatalf("prove: %v", err)
	}
	objects := r.Objects()
	for _, name := range tables {
		if !slices.Contains(objects, name) {
			t.Errorf("prove: nothing was attacked in %s: is it a tenant table that the application role reaches?", name)
		}
	}
	for _, p := range r.Probes {
		if p.Verdict != VerdictIsolated && (len(tables) == 0 || slices.Contains(tables, p.Object)) {
			t.Errorf("%s: %s: %s\n%s", p.Verdict, p.ID, p.Reason, p.Script)
		}
	}
}

// AcquireFrom borrows from a pgx pool, for [Pool].
func AcquireFrom(pool *pgxpool.Pool) Acquire {
	return func(ctx context.Context) (*pgx.Conn, func(), error) {
		c, err := pool.Acquire(ctx)
		if err != nil {
			return nil, nil, err
		}
		return c.Conn(), c.Release, nil
	}
}
