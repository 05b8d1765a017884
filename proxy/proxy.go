package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/telemetry"
)

// Caller is who a token speaks for.
type Caller struct {
	Scope   moat.Scope
	Expires time.Time // of the token; zero means never
	// Pool says that the token is a service's: it speaks for no tenant, and opens a
	// connection on which each transaction names its own by SET LOCAL moat.tenant_token.
	Pool bool
	// Admit returns the scope that the caller acts as, or why it may not. It is asked when a
	// connection comes, and again for transactions more than a second later. A service has no
	// scope, and may have no Admit.
	Admit func(ctx context.Context, s moat.Scope) (moat.Scope, error)
}

// Config is what a [Proxy] needs. Server, Verify and Options are required.
type Config struct {
	// Server is the application role's connection, as pgconn parses it: several hosts,
	// TLS, SCRAM and target_session_attrs included.
	Server *pgconn.Config
	// Options bind the tenant, as for package moat.
	Options *moat.Options
	// Verify says who a password, which is a token, speaks for, and how to ask whether it
	// may. tenant is the one that the client chooses by the start-up parameter moat.tenant;
	// "" for none.
	Verify func(ctx context.Context, token, tenant string) (Caller, error)

	// TLS is for clients; nil means without. A password travels in TLS, or on loopback, or
	// where PlainPasswords is set: Serve refuses another listener without TLS, and another
	// client that does not use it.
	TLS            *tls.Config
	PlainPasswords bool

	// Connections to the server in all, and of a tenant. Zero means 100, and half of all.
	Connections, TenantConnections int
	// Most is how many connections one tenant may have; nil, or 0, means TenantConnections.
	Most func(moat.Tenant) int
	// Wait for a connection; zero means 5 s.
	Wait time.Duration
	// Idle is how long a connection without a client is kept; zero means 1 min.
	Idle time.Duration
	// StartTime is what a client may take to say who it is; zero means 30 s.
	StartTime time.Duration
	// MessageBytes is the largest message of a client; zero means 64 MiB.
	MessageBytes int

	// Meter makes the metrics; nil means none. MetricsTenants is how many tenants get a label of
	// their own in them; zero means none.
	Meter          telemetry.Meter
	MetricsTenants int
	// Tracer makes a span of each statement; nil means none.
	Tracer telemetry.Tracer
	Logger *slog.Logger
}

func (c Config) withDefaults() (Config, error) {
	if c.Server == nil || c.Verify == nil || c.Options == nil {
		return c, errors.New("proxy: Server, Options and Verify are required")
	}
	c.bound(c.Connections, c.TenantConnections)
	set(&c.Wait, 5*time.Second)
	set(&c.Idle, time.Minute)
	set(&c.StartTime, 30*time.Second)
	set(&c.MessageBytes, 64<<20)
	if c.Meter == nil {
		c.Meter = telemetry.Discard{}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c, nil
}

// bound sets how many connections there may be.
func (c *Config) bound(connections, tenantConnections int) {
	c.Connections, c.TenantConnections = connections, tenantConnections
	set(&c.Connections, 100)
	set(&c.TenantConnections, max(1, c.Connections/2))
}

func set[T int | time.Duration](value *T, initial T) {
	if *value <= 0 {
		*value = initial
	}
}

// Proxy serves clients until Close or Shutdown.
type Proxy struct {
	config    Config
	upstreams *upstreams
	binding   *moat.Binding
	unbound   []moat.Statement // binds no tenant, so that none is left bound
	metrics   *metrics

	mu        sync.Mutex
	clients   map[cancelKey]*session
	listeners map[net.Listener]bool
	open      map[net.Conn]bool
	draining  bool
	running   sync.WaitGroup
	ctx       context.Context // ends with Close
	stop      context.CancelFunc
}

// New returns a Proxy.
func New(c Config) (*Proxy, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	binding, err := moat.NewBinding(c.Options)
	if err != nil {
		return nil, err
	}
	unbound, err := noTenant(c.Options)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	p := &Proxy{config: c, upstreams: newUpstreams(c), binding: binding, unbound: unbound,
		clients:   map[cancelKey]*session{},
		listeners: map[net.Listener]bool{}, open: map[net.Conn]bool{}, ctx: ctx, stop: stop}
	p.metrics = newMetrics(p)
	return p, nil
}

// Resize changes how many connections to the server there may be, in all and of a tenant,
// as in [Config]. Those that are open stay.
func (p *Proxy) Resize(connections, tenantConnections int) {
	u := p.upstreams
	u.mu.Lock()
	defer u.mu.Unlock()
	u.config.bound(connections, tenantConnections)
	u.wake()
}

// Serve accepts clients until the proxy is closed, and then returns nil.
func (p *Proxy) Serve(l net.Listener) error {
	if p.config.TLS == nil && !p.config.PlainPasswords && !loopback(l.Addr()) {
		return errors.New("proxy: passwords would travel in the open: give it a certificate, or listen on loopback")
	}
	if !p.listen(l) {
		return l.Close()
	}
	for {
		conn, err := l.Accept()
		if err != nil {
			if p.ctx.Err() != nil || p.isDraining() {
				return nil
			}
			return err
		}
		if !p.hold(conn) {
			_ = conn.Close()
			continue
		}
		go func() {
			defer p.release(conn)
			p.serve(conn)
		}()
	}
}

func loopback(a net.Addr) bool {
	switch a := a.(type) {
	case *net.TCPAddr:
		return a.IP.IsLoopback()
	case *net.UnixAddr:
		return true
	}
	return false
}

func (p *Proxy) listen(l net.Listener) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.draining {
		return false
	}
	p.listeners[l] = true
	return true
}

func (p *Proxy) isDraining() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.draining
}

func (p *Proxy) hold(conn net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.draining {
		return false
	}
	p.open[conn] = true
	p.running.Add(1)
	return true
}

func (p *Proxy) release(conn net.Conn) {
	_ = conn.Close()
	p.mu.Lock()
	delete(p.open, conn)
	p.mu.Unlock()
	p.running.Done()
}

// Shutdown takes no more clients, ends each between two transactions, and waits for all
// to be gone or ctx to end. Close follows it.
func (p *Proxy) Shutdown(ctx context.Context) error {
	p.mu.Lock()
	p.draining = true
	for l := range p.listeners {
		_ = l.Close()
	}
	for _, s := range p.clients {
		s.drain()
	}
	p.mu.Unlock()
	gone := make(chan struct{})
	go func() { p.running.Wait(); close(gone) }()
	select {
	case <-gone:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close ends every connection and waits for what serves them.
func (p *Proxy) Close() {
	p.stop()
	p.mu.Lock()
	p.draining = true
	for l := range p.listeners {
		_ = l.Close()
	}
	for conn := range p.open {
		_ = conn.Close()
	}
	p.mu.Unlock()
	p.running.Wait()
	p.upstreams.close()
}
