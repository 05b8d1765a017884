package proxy

import (
	"errors"
	"time"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/serving"
)

// metrics count what the proxy does. Their number is bounded by the tenants that have a
// label, and by the proxy's own error codes.
type metrics struct {
	labels                    serving.TenantLabels
	connections, transactions func(values ...string) func(by float64)
	waited                    func(seconds float64)
}

func newMetrics(p *Proxy) *metrics {
	m, meter := &metrics{labels: serving.TenantLabels{Most: p.config.MetricsTenants}}, p.config.Meter
	m.connections = meter.Counter("moat_proxy_connections_total",
		"Connections of clients that ended, by tenant and by the SQLSTATE that ended them, none for their own wish.",
		"tenant", "code")
	m.transactions = meter.Counter("moat_proxy_transactions_total", "Transactions that were bound, by tenant.", "tenant")
	m.waited = meter.Counter("moat_proxy_wait_seconds_total",
		"Time that clients have waited for a connection to the server.")()
	gauge := func(name, help string, value func() int) {
		meter.Gauge(name, help, func() (float64, bool) { return float64(value()), true })
	}
	gauge("moat_proxy_clients", "Clients that are connected.", p.connected)
	gauge("moat_proxy_server_connections", "Connections to the server.",
		func() int { open, _, _ := p.upstreams.count(); return open })
	gauge("moat_proxy_server_connections_idle", "Connections to the server without a client.",
		func() int { _, idle, _ := p.upstreams.count(); return idle })
	gauge("moat_proxy_server_connections_max", "Connections to the server that there may be.",
		func() int { _, _, most := p.upstreams.count(); return most })
	return m
}

func (p *Proxy) connected() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.clients)
}

// count is how many connections there are, how many of them have no client, and how many
// there may be.
func (u *upstreams) count() (open, idle, most int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.open, len(u.idle), u.config.Connections
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
	m.connections(m.labels.Of(string(tenant)), code)(1)
}

// bound is the counter of a tenant's transactions.
func (m *metrics) bound(tenant moat.Tenant) func(by float64) {
	return m.transactions(m.labels.Of(string(tenant)))
}

func (m *metrics) waitedSince(began time.Time) { m.waited(time.Since(began).Seconds()) }
