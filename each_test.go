package moat_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat"
)

func TestForEachTenant(t *testing.T) {
	t.Parallel()
	db := newLeads(t).open(t, 2, moat.Options{})
	tenants := []moat.Tenant{tenantA, "no tenant id", tenantB}
	done := map[moat.Tenant]bool{}
	err := moat.ForEachTenant(t.Context(), slices.Values(tenants), moat.EachOptions{Concurrent: 2,
		Scope: moat.Scope{Subject: "job"}, Done: func(tenant moat.Tenant, err error) { done[tenant] = err == nil }},
		func(ctx context.Context) error {
			return db.InTx(ctx, func(tx pgx.Tx) error {
				_, err := tx.Exec(ctx, "update leads set name = upper(name) || current_setting('app.subject')")
				return err
			})
		})
	var one *moat.TenantError
	if !errors.As(err, &one) || one.Tenant != "no tenant id" || errors.As(one.Err, new(*moat.TenantError)) {
		t.Errorf("the error is %v", err)
	}
	if !done[tenantA] || !done[tenantB] || done["no tenant id"] || len(done) != 3 {
		t.Errorf("done: %v", done)
	}
	if got := names(t, as(tenantB), db, "select name from leads order by id"); !slices.Equal(got,
		[]string{"B1job", "B2job"}) {
		t.Errorf("B has %q", got)
	}
}

func TestForEachTenantIsBoundedAndStops(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	var running, most, calls atomic.Int32
	tenants := slices.Repeat([]moat.Tenant{tenantA}, 100)
	err := moat.ForEachTenant(ctx, slices.Values(tenants), moat.EachOptions{Concurrent: 3},
		func(context.Context) error {
			most.Store(max(most.Load(), running.Add(1)))
			defer running.Add(-1)
			if calls.Add(1) == 20 {
				cancel()
			}
			return nil
		})
	if !errors.Is(err, context.Canceled) || calls.Load() < 20 || calls.Load() > 22 || most.Load() > 3 {
		t.Errorf("%d calls, %d at a time, %v", calls.Load(), most.Load(), err)
	}
}
