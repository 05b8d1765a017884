package database_test

import (
	"context"
	"github.com/jackc/pgx/v5"
	"github.com/moat-db/moat/catalog"
	"os"
	"testing"

	"github.com/moat-db/moat/prove"
	"github.com/moat-db/moat/prove/database"
	"github.com/moat-db/moat/prove/internal/shop"
)

type fixture struct{ *shop.Fixture }

const (
	tenantA = shop.TenantA
	tenantB = shop.TenantB
	rows    = shop.Rows
	policy  = shop.Policy
)

func newFixture(t *testing.T, statements ...string) *fixture {
	t.Helper()
	return &fixture{shop.New(t, statements...)}
}

// prove attacks the fixture.
func (f *fixture) prove(t *testing.T, o database.Options) *prove.Report {
	t.Helper()
	r, err := database.Attack(t.Context(), config(t, f.URL), config(t, f.As(t, f.App)), o)
	if err != nil {
		t.Fatal(err)
	}
	shop.Listed(t, prove.Database, r)
	return r
}

// snapshot reads the fixture's catalog.
func (f *fixture) snapshot(t *testing.T) *catalog.Snapshot {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), f.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	s, err := catalog.Load(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// longRun says whether tests that take minutes run too.
func longRun() bool { return os.Getenv("MOAT_TEST_PROVE") != "" }
