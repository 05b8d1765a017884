package api

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/moat-db/moat/internal/serving"
)

// metrics counts requests in a registry of its own.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	inFlight prometheus.Gauge
	tenants  serving.TenantLabels
}

func newMetrics(h *Handler) *metrics {
	m := &metrics{registry: prometheus.NewRegistry(), tenants: serving.TenantLabels{Most: h.config.MetricsTenants}}
	m.requests = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "moat_http_requests_total", Help: "Requests by method, target, status and tenant.",
	}, []string{"method", "target", "status", "tenant"})
	m.seconds = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "moat_http_request_duration_seconds", Help: "Duration of requests by method.",
		Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
	}, []string{"method"})
	m.inFlight = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "moat_http_requests_in_flight", Help: "Requests being answered.",
	})
	m.registry.MustRegister(m.requests, m.seconds, m.inFlight, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.registry.MustRegister(h.config.Collectors...)
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
		{"moat_pool_connections", "Connections of the pool.", func() float64 { return float64(stat().TotalConns()) }},
		{"moat_pool_connections_acquired", "Connections in use.", func() float64 { return float64(stat().AcquiredConns()) }},
		{"moat_pool_connections_max", "Size of the pool.", func() float64 { return float64(stat().MaxConns()) }},
		{"moat_pool_acquire_wait_seconds", "Time spent waiting for a connection.",
			func() float64 { return stat().AcquireDuration().Seconds() }},
		{"moat_schema_version", "How often the schema was loaded.", func() float64 { return float64(h.version()) }},
		{"moat_tenant_cache_entries", "Tenants whose state is remembered.", func() float64 { return float64(door.Size()) }},
	} {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: g.name, Help: g.help}, g.value))
	}
}

func (h *Handler) version() uint64 {
	if s := h.schema.Load(); s != nil {
		return s.version
	}
	return 0
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// record counts one answered request. The target is a name of the schema, never what
// a client made up.
func (m *metrics) record(method string, info *requestInfo, status int, took time.Duration) {
	m.requests.WithLabelValues(known(method), info.target, strconv.Itoa(status), m.tenants.Of(info.tenant)).Inc()
	m.seconds.WithLabelValues(known(method)).Observe(took.Seconds())
}

func known(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
		http.MethodOptions:
		return method
	}
	return "other"
}
