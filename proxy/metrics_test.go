package proxy_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/internal/metertest"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/proxy"
)

func TestMetricsCountByTenantUpToABound(t *testing.T) {
	t.Parallel()
	var meter metertest.Meter
	f := newFixture(t, pgtest.New(t), func(c *proxy.Config) { c.Meter, c.MetricsTenants = &meter, 1 })
	a := f.connect(t, "A", pgx.QueryExecModeCacheStatement)
	for range 3 {
		want(t, "A", names(t, a, allNames), "a1 a2")
	}
	b := f.connect(t, "B", pgx.QueryExecModeSimpleProtocol)
	want(t, "B", names(t, b, allNames), "b1 b2 b3")
	if _, err := pgx.Connect(t.Context(), f.url("nobody")); err == nil {
		t.Error("nobody comes in")
	}
	if got := meter.Values(); got["moat_proxy_clients"] != 2 || got["moat_proxy_server_connections"] != 2 {
		t.Errorf("two clients: %v", got)
	}
	_, _ = a.Close(context.Background()), b.Close(context.Background())
	own := `moat_proxy_transactions_total{tenant="` + string(tenantA) + `"}`
	ended := `moat_proxy_connections_total{code="",tenant="` + string(tenantA) + `"}`
	const refused = `moat_proxy_connections_total{code="28P01",tenant=""}`
	var got map[string]float64
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		got = meter.Values()
		if got["moat_proxy_server_connections_idle"] == 2 && got[refused] == 1 {
			break
		}
	}
	if got[own] != 3 || got[`moat_proxy_transactions_total{tenant="other"}`] != 1 || got[ended] != 1 ||
		got[`moat_proxy_connections_total{code="",tenant="other"}`] != 1 ||
		got[refused] != 1 || got["moat_proxy_clients"] != 0 {
		t.Errorf("got %v", got)
	}
}
