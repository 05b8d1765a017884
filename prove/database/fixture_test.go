package database_test

import (
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
