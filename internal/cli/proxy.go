package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/spf13/cobra"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/auth"
	"github.com/moat-db/moat/internal/serving"
	"github.com/moat-db/moat/proxy"
)

func (a *app) newProxy() *cobra.Command {
	var addr string
	var check bool
	c := &cobra.Command{
		Use:   "proxy",
		Short: "Serve PostgreSQL's own protocol, each connection as the tenant of its token",
		Long: "Programs in any language connect with their usual PostgreSQL driver and give a token as\n" +
			"the password. The proxy verifies it as moat serve does, connects as the application role\n" +
			"and binds the tenant to every transaction; the user name is not looked at. It refuses to\n" +
			"start with a role that row-level security does not bind, and takes passwords without TLS\n" +
			"on loopback only. SIGHUP rereads the schema, the certificate and, of moat.yaml,\n" +
			"proxy.services, connections and tenant_connections; SIGTERM ends each connection\n" +
			"between two transactions.\n\n" +
			"GET /metrics at proxy.metrics_address has:\n" +
			"  moat_proxy_clients                      clients that are connected\n" +
			"  moat_proxy_connections_total            those that ended, by tenant and SQLSTATE\n" +
			"  moat_proxy_transactions_total           bound transactions, by tenant\n" +
			"  moat_proxy_wait_seconds_total           how long clients waited for the server\n" +
			"  moat_proxy_server_connections           to the server, moat_proxy_server_connections_idle\n" +
			"                                          of them without a client, of at most\n" +
			"                                          moat_proxy_server_connections_max\n" +
			"With OTEL_EXPORTER_OTLP_ENDPOINT, a collector gets a span of each statement.",
		Example: "  moat proxy --app-url postgres://moat_app@db.internal/app\n" +
			"  psql \"host=127.0.0.1 port=6432 dbname=app user=app password=$TOKEN\" -c 'SELECT count(*) FROM leads'",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.proxy(cmd.Context(), addr, check) },
	}
	c.Flags().StringVar(&addr, "addr", "", "address to listen on (default: proxy.address)")
	c.Flags().BoolVar(&check, "check", false, "check configuration, role and schema, and end")
	return c
}

func (a *app) proxy(ctx context.Context, addr string, check bool) error {
	c, err := a.config()
	if err != nil {
		return err
	}
	appURL, err := a.application()
	if err != nil {
		return err
	}
	log := slog.New(slog.NewJSONHandler(a.Err, nil))
	s, err := openProxyService(ctx, &service{config: c, appURL: appURL, keysURL: keysURL(), log: log,
		telemetry: a.Telemetry, check: check, reread: a.config})
	if err != nil {
		return err
	}
	defer s.close()
	if check {
		fmt.Fprintln(a.Out, "configuration, role and schema are ready for the proxy")
		return nil
	}
	l, err := listen(cmp.Or(addr, c.Proxy.Address), false)
	if err != nil {
		return err
	}
	log.Info("serving PostgreSQL's protocol", "address", l.Addr().String(), "tls", s.certificate != nil)
	end, err := s.serveProxyMetrics(ctx)
	if err != nil {
		l.Close()
		return err
	}
	defer end()
	return s.serveProxy(ctx, l)
}

// serveProxyMetrics serves the proxy's metrics where they have an address, until end is
// called.
func (s *service) serveProxyMetrics(ctx context.Context) (end func(), err error) {
	if s.config.Proxy.MetricsAddress == "" {
		return func() {}, nil
	}
	l, err := listen(s.config.Proxy.MetricsAddress, false)
	if err != nil {
		return nil, err
	}
	s.log.Info("serving metrics", "address", l.Addr().String())
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx)) // drained proxies still tell
	served := make(chan error, 1)
	go func() { served <- serveEach(ctx, endpoint{newHTTPServer(metricsOnly(s.metrics), s.log), l}) }()
	return func() {
		stop()
		if err := <-served; err != nil {
			s.log.Warn("metrics ended", "error", err)
		}
	}, nil
}

// openProxyService opens what the proxy needs of a service: no API, no portal.
func openProxyService(ctx context.Context, s *service) (*service, error) {
	return s.opened(ctx, s.openProxy)
}

// openProxy opens the proxy over what the service has opened already.
func (s *service) openProxy(ctx context.Context) error {
	server, err := pgconn.ParseConfig(s.appURL)
	if err != nil {
		return connectError(err)
	}
	options, err := bindOptions(s.config)
	if err != nil {
		return err
	}
	if s.db.Spread() {
		options.Citus = moat.CitusOn
	}
	if s.proxyDoor, err = s.openProxyDoor(ctx); err != nil {
		return err
	}
	c := s.config.Proxy
	s.proxy, err = proxy.New(proxy.Config{
		Server: server, Options: options, Logger: s.log, TLS: s.certificate.config(),
		PlainPasswords: c.PlainPasswords, Connections: c.Connections, TenantConnections: c.TenantConnections,
		Wait: c.Wait, Verify: s.verifyForProxy, Most: s.proxyDoor.limits.most,
		Meter: s.meter, MetricsTenants: c.MetricsTenants, Tracer: s.tracer,
	})
	if err == nil {
		s.onClose(s.proxy.Close)
	}
	return err
}

func (s *service) verifyForProxy(ctx context.Context, token, tenant string) (proxy.Caller, error) {
	id, err := s.verifier.Verify(ctx, token)
	if errors.Is(err, auth.ErrNoKeys) {
		err = &proxy.Refusal{Code: "57P03", Message: err.Error(), Hint: "try again in a few seconds"}
	}
	if err != nil {
		return proxy.Caller{}, err
	}
	if id.Tenant+moat.Tenant(id.External+tenant) == "" && s.proxyDoor.serves(id.Subject) {
		return proxy.Caller{Expires: id.Expires, Pool: true, Admit: s.proxyDoor.admitService(id.Subject)}, nil
	}
	var chosen []serving.Choice
	if tenant != "" {
		chosen = append(chosen, serving.Choice{Tenant: tenant})
	}
	d, v := s.proxyDoor, s.verifier
	who, spoken := d.door.Speak(ctx, d.check.Load(), id, chosen)
	if errors.Is(spoken, serving.ErrNoMembers) || spoken == nil && who.Tenant == "" {
		err = &proxy.Refusal{Code: "28P01", Message: moat.ErrNoTenant.Error(),
			Hint: "choose one that the token's subject is a member of: options='-c moat.tenant=…'"}
	}
	admit := func(ctx context.Context, s moat.Scope) (moat.Scope, error) {
		if spoken != nil {
			return moat.Scope{}, spoken
		}
		if id.Key != nil { // it may have been revoked
			if _, err := v.Verify(ctx, token); err != nil {
				return moat.Scope{}, err
			}
		}
		who := who
		who.Scope = s
		return d.admit(ctx, who)
	}
	return proxy.Caller{Scope: who.Scope, Expires: id.Expires, Admit: admit}, err
}

// proxyDoor admits as the API's door does, and believes a verdict for a moment only: a
// connection may live for days.
type proxyDoor struct {
	door     *serving.Door
	check    atomic.Pointer[serving.Check]
	services atomic.Pointer[[]string] // proxy.services
	// limits are those of tenants that have their own.
	limits proxyLimits
}

func (s *service) openProxyDoor(ctx context.Context) (*proxyDoor, error) {
	a := admission(s.config)
	a.Age = time.Second
	d := &proxyDoor{door: serving.NewDoor(s.db, a)}
	d.services.Store(&s.config.Proxy.Services)
	s.reloadProxy = func(ctx context.Context) error {
		read, err := s.schema.Load(ctx)
		if err != nil {
			return err
		}
		check, err := d.door.Check(read)
		if err == nil {
			d.check.Store(check)
			d.door.Flush()
		}
		return err
	}
	return d, s.watchForProxy(ctx, d)
}

// serves reports whether a subject may open connections for all tenants.
func (d *proxyDoor) serves(subject string) bool { return slices.Contains(*d.services.Load(), subject) }

// admitService refuses a service that proxy.services does not name any more.
func (d *proxyDoor) admitService(subject string) func(context.Context, moat.Scope) (moat.Scope, error) {
	return func(_ context.Context, s moat.Scope) (moat.Scope, error) {
		if !d.serves(subject) {
			return s, &proxy.Refusal{Code: "28000", Message: "proxy.services does not name this service any more"}
		}
		return s, nil
	}
}

func (d *proxyDoor) admit(ctx context.Context, who serving.Caller) (moat.Scope, error) {
	verdict, err := d.door.Ask(ctx, d.check.Load(), who)
	if err != nil {
		return moat.Scope{}, err
	}
	scope, err := verdict.Admit(who.Scope)
	if err == nil {
		err = d.limits.ask(ctx, d.door, d.check.Load(), scope)
	}
	return scope, err
}

// drainTime is what open transactions may take once the proxy is told to end.
const drainTime = 30 * time.Second

// serveProxy serves until ctx ends, and then lets open transactions end.
func (s *service) serveProxy(ctx context.Context, l net.Listener) error {
	defer s.reloadOnHangup(ctx)()
	served := make(chan error, 1)
	go func() { served <- s.proxy.Serve(l) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	if err := s.proxy.Shutdown(drain); err != nil {
		s.log.Warn("open transactions are cut off", "error", err)
	}
	s.proxy.Close()
	return <-served
}
