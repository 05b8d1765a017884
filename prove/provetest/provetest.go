// Package provetest lets a program's own tests attack its isolation: [Isolated] its
// database, [Pool] the way it binds tenants on pooled connections.
package provetest

import (
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/moat-db/moat/prove"
	"github.com/moat-db/moat/prove/database"
	"github.com/moat-db/moat/prove/pool"
)

// Databases are the two connections that [Isolated] needs, as connection strings:
// the operator's sees every row, the application's is the one under attack.
type Databases struct{ Operator, Application string }

// Isolated fails the test for each leak, and for each probe that stays undecided, on
// the named tables ("schema.table"); without names, on everything in the database.
// It is for a program's own tests: call it after the migrations have run. Each
// failure carries the script that reproduces it in psql.
//
// It runs what [database.Attack] runs: nothing is committed.
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
	r, err := database.Attack(t.Context(), operator, application, database.Options{})
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
		if p.Verdict != prove.VerdictIsolated && (len(tables) == 0 || slices.Contains(tables, p.Object)) {
			t.Errorf("%s: %s: %s\n%s", p.Verdict, p.ID, p.Reason, p.Script)
		}
	}
}

// Pool attacks a program's pool and fails the test for each leak: what one borrower
// leaves behind must not reach the next. It works on any pool over pgx connections.
func Pool(t testing.TB, acquire pool.Acquire, query pool.Query, o pool.Options) {
	t.Helper()
	r, err := pool.Attack(t.Context(), acquire, query, o)
	if err != nil {
		t.Fatalf("prove the pool: %v", err)
	}
	for _, p := range r.Probes {
		if p.Verdict != prove.VerdictIsolated {
			t.Errorf("%s: %s: %s", p.Verdict, p.ID, p.Reason)
		}
	}
}
