package seal_test

import (
	"testing"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/postgres/pgtest"
)

func TestSealedTenantSeesItsRows(t *testing.T) {
	t.Parallel()
	pgtest.EachMajor(t, func(t *testing.T, c *pgtest.Cluster) {
		f := newSealed(t, c)
		db := f.openSealed(t, 2)
		for _, table := range []string{"app.leads", "app.notes", "app.events"} {
			if n := count(t, db, as(tenantA), "select count(*) from "+table); n != 20 {
				t.Errorf("%s: A sees %d rows, want its 20", table, n)
			}
			if n := count(t, db, as("cccccccc-0000-4000-8000-000000000003"), "select count(*) from "+table); n != 0 {
				t.Errorf("%s: a tenant without rows sees %d", table, n)
			}
		}
		plain := f.open(t, 1, moat.Options{})
		if n := count(t, plain, as(tenantA), "select count(*) from app.leads"); n != 0 {
			t.Errorf("the plain setting shows %d rows, want none", n)
		}
	})
}
