package api

import (
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/moat-db/moat/internal/serving"
)

// metrics counts requests.
type metrics struct {
	requests, seconds func(values ...string) func(float64)
	inFlight          atomic.Int64
	tenants           serving.TenantLabels
}

func newMetrics(h *Handler) *metrics {
	meter := h.config.Meter
	m := &metrics{tenants: serving.TenantLabels{Most: h.config.MetricsTenants}}
	m.requests = meter.Counter("moat_http_requests_total", "Requests by method, target, status and tenant.",
		"method", "target", "status", "tenant")
	m.seconds = meter.Histogram("moat_http_request_duration_seconds", "Duration of requests by method.",
		[]float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}, "method")
	m.observe(h)
	return m
}

// observe adds what is read off when somebody asks.
func (m *metrics) observe(h *Handler) {
	stat, door := h.config.DB.Stat, h.config.Door
	for _, g := range []struct {
		name, help string
		value      func() float64
	}{
		{"moat_http_requests_in_flight", "Requests being answered.", func() float64 { return float64(m.inFlight.Load()) }},
		{"moat_pool_connections", "Connections of the pool.", func() float64 { return float64(stat().TotalConns()) }},
		{"moat_pool_connections_acquired", "Connections in use.", func() float64 { return float64(stat().AcquiredConns()) }},
		{"moat_pool_connections_max", "Size of the pool.", func() float64 { return float64(stat().MaxConns()) }},
		{"moat_pool_acquire_wait_seconds", "Time spent waiting for a connection.",
			func() float64 { return stat().AcquireDuration().Seconds() }},
		{"moat_schema_version", "How often the schema was loaded.", func() float64 { return float64(h.version()) }},
		{"moat_tenant_cache_entries", "Tenants whose state is remembered.", func() float64 { return float64(door.Size()) }},
	} {
		h.config.Meter.Gauge(g.name, g.help, func() (float64, bool) { return g.value(), true })
	}
}

func (h *Handler) version() uint64 {
	if s := h.schema.Load(); s != nil {
		return s.version
	}
	return 0
}

// record counts one answered request. The target is a name of the schema, never what
// a client made up.
func (m *metrics) record(method string, info *requestInfo, status int, took time.Duration) {
	m.requests(known(method), info.target, strconv.Itoa(status), m.tenants.Of(info.tenant))(1)
	m.seconds(known(method))(took.Seconds())
}

func known(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
		http.MethodOptions:
		return method
	}
	return "other"
}
