package proxy

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/serving"
)

// metrics count what the proxy does. Their number is bounded by the tenants that have a
// label, and by the proxy's own error codes.
type metrics struct {
	labels       serving.TenantLabels
	connections  *prometheus.CounterVec
	transactions *prometheus.CounterVec
	waited       prometheus.Counter
	clients      prometheus.GaugeFunc
	open, idle   prometheus.GaugeFunc
	most         prometheus.GaugeFunc
}

func newMetrics(p *Proxy) *metrics {
	m := &metrics{labels: serving.TenantLabels{Most: p.config.MetricsTenants}}
	m.connections = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "moat_proxy_connections_total",
		Help: "Connections of clients that ended, by tenant and by the SQLSTATE that ended them, none for their own wish.",
	}, []string{"tenant", "code"})
	m.transactions = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "moat_proxy_transactions_total",
		Help: "Transactions that were bound, by tenant."}, []string{"tenant"})
	m.waited = prometheus.NewCounter(prometheus.CounterOpts{Name: "moat_proxy_wait_seconds_total",
		Help: "Time that clients have waited for a connection to the server."})
	gauge := func(name, help string, value func() int) prometheus.GaugeFunc {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help},
			func() float64 { return float64(value()) })
	}
	m.clients = gauge("moat_proxy_clients", "Clients that are connected.", p.connected)
	m.open = gauge("moat_proxy_server_connections", "Connections to the server.",
		func() int { open, _ := p.upstreams.count(); return open })
	m.idle = gauge("moat_proxy_server_connections_idle", "Connections to the server without a client.",
		func() int { _, idle := p.upstreams.count(); return idle })
	m.most = gauge("moat_proxy_server_connections_max", "Connections to the server that there may be.",
		func() int { return p.config.Connections })
	return m
}

func (m *metrics) all() []prometheus.Collector {
	return []prometheus.Collector{m.connections, m.transactions, m.waited, m.clients, m.open, m.idle, m.most}
}

// Describe makes a Proxy a [prometheus.Collector].
func (p *Proxy) Describe(to chan<- *prometheus.Desc) {
	for _, c := range p.metrics.all() {
		c.Describe(to)
	}
}

// Collect sends the metrics.
func (p *Proxy) Collect(to chan<- prometheus.Metric) {
	for _, c := range p.metrics.all() {
		c.Collect(to)
	}
}

func (p *Proxy) connected() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.clients)
}

// count is how many connections there are, and how many of them have no client.
func (u *upstreams) count() (open, idle int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.open, len(u.idle)
}

// ended counts a connection. The code is one of the proxy's own: what a server or a client
// says cannot make more of them.
func (m *metrics) ended(tenant moat.Tenant, err error) {
	code := ""
	var r *Refusal
	switch {
	case errors.As(err, &r):
		code = r.Code
	case err != nil && !gone(err):
		code = "other"
	}
	m.connections.WithLabelValues(m.labels.Of(string(tenant)), code).Inc()
}

// bound is the counter of a tenant's transactions.
func (m *metrics) bound(tenant moat.Tenant) prometheus.Counter {
	return m.transactions.WithLabelValues(m.labels.Of(string(tenant)))
}

func (m *metrics) waitedSince(began time.Time) { m.waited.Add(time.Since(began).Seconds()) }
