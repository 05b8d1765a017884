package lifecycle_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/lifecycle"
)

func TestErase(t *testing.T) {
	t.Parallel()
	pgtest.EachMajor(t, func(t *testing.T, c *pgtest.Cluster) {
		w := newWorld(t, c)
		before := w.fingerprint(t, acme, true)
		objects := w.count(t, "SELECT count(*) FROM pg_largeobject_metadata")
		cert, err := w.operator(t).Erase(t.Context(), acme, lifecycle.EraseOptions{Batch: 7})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(before, w.fingerprint(t, acme, true)); diff != "" {
			t.Errorf("rows of others changed:\n%s", diff)
		}
		for table, print := range w.fingerprint(t, acme, false) {
			if print != "0 rows " {
				t.Errorf("%s has %s left", table, print)
			}
		}
		if n := w.count(t, "SELECT count(*) FROM pg_largeobject_metadata"); n != objects-3 {
			t.Errorf("%d large objects of %d are left", n, objects)
		}
		if n := w.count(t, "SELECT count(*) FROM billing.totals WHERE tenant_id = $1", acme); n != 0 {
			t.Error("a materialized view still shows the tenant")
		}
		removed := map[string]int64{}
		for _, r := range cert.Removed {
			removed[r.Table] = r.Rows
		}
		if removed["app.notes"] != 80 || removed["app.events"] != 120 || removed["large objects"] != 3 {
			t.Errorf("removed %v", removed)
		}
	})
}

// Of the erasures that are requested those are carried out whose grace period has ended.
func TestDueErasuresAreDone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Shared(t))
	before := w.fingerprint(t, globex, false)
	for tenant, grace := range map[string]time.Duration{acme: time.Millisecond, globex: time.Hour} {
		if _, err := w.operator(t).RequestErasure(t.Context(), tenant, grace); err != nil {
			t.Fatal(err)
		}
	}
	w.Exec(t, "SELECT pg_sleep(0.02)")
	done, err := w.operator(t).EraseDue(t.Context(), lifecycle.EraseOptions{})
	if err != nil || len(done) != 1 || done[0].Tenant != acme {
		t.Fatalf("%d done, %v", len(done), err)
	}
	if n := w.count(t, "SELECT count(*) FROM app.tenants WHERE id = $1", acme); n != 0 {
		t.Error("the tenant that was due is still there")
	}
	if diff := cmp.Diff(before, w.fingerprint(t, globex, false)); diff != "" {
		t.Errorf("rows of the tenant that waits: %s", diff)
	}
}
