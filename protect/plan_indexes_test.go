package protect

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// An index or a key is planned where a foreign key or a tenant's query needs it, and none
// besides: what is found by a key to a tenant's row is of that tenant.
func TestOnlyIndexesThatAreNeeded(t *testing.T) {
	t.Parallel()
	b := newBench(t, `CREATE TABLE tenants (id uuid PRIMARY KEY);
		CREATE TABLE orders (id bigint PRIMARY KEY, tenant_id uuid NOT NULL REFERENCES tenants, status text);
		CREATE INDEX orders_status ON orders (status);
		CREATE TABLE lines (id bigint PRIMARY KEY, tenant_id uuid NOT NULL REFERENCES tenants,
			order_id bigint NOT NULL REFERENCES orders ON DELETE CASCADE);
		CREATE INDEX lines_order ON lines (order_id);
		CREATE TABLE parcels (id bigint PRIMARY KEY, tenant_id uuid NOT NULL REFERENCES tenants,
			order_id bigint NOT NULL REFERENCES orders);
		CREATE TABLE returns (id bigint PRIMARY KEY, tenant_id uuid NOT NULL REFERENCES tenants,
			order_id bigint NOT NULL REFERENCES orders ON DELETE CASCADE);`)
	var got []string
	plan := b.plan(t)
	for _, s := range plan.Steps {
		if s.Kind == KindConcurrent {
			_, keys, _ := strings.Cut(s.SQL[0], " ON ")
			got = append(got, keys)
		}
	}
	slices.Sort(got)
	want := []string{"public.lines (tenant_id)", "public.orders (tenant_id, id)", "public.orders (tenant_id, status)",
		"public.parcels (tenant_id)", "public.returns (tenant_id, order_id)"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("indexes (-want +got):\n%s", d)
	}
	if d := decision(plan, "index/public.lines_order"); d != nil {
		t.Errorf("asked about an index that serves as it is: %+v", d)
	}
}
