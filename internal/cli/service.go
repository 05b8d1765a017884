package cli

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/api"
	"github.com/moat-db/moat/audit"
	"github.com/moat-db/moat/auth"
	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/alive"
	"github.com/moat-db/moat/internal/config"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/internal/mcp"
	"github.com/moat-db/moat/policy"
	"github.com/moat-db/moat/portal"
	"github.com/moat-db/moat/proxy"
	"github.com/moat-db/moat/telemetry"
	"github.com/moat-db/moat/watch"
)

// service is what answers requests: the API and the portal over the application
// role's pool. Those before db say what to open.
type service struct {
	config      config.Config
	appURL      string
	operatorURL string // for the operator's console; may be empty
	keysURL     string // for API keys; may be empty
	mcpURL      string // writes down what agents ask; empty: the operator's connection
	sessionURL  string // keeps the portal's sessions; empty: the operator's connection, or nobody
	log         *slog.Logger
	telemetry   Telemetry
	// flaws are those of a release in row-level security; nil means those that audit knows.
	flaws func(version int) []string
	check bool // opened for --check, not to serve
	// reread reads moat.yaml again; nil where it stays as it was.
	reread func() (config.Config, error)
	// extend changes the portal before it is opened; nil but for moat demo.
	extend func(context.Context, *service, *portal.Config) error

	db       *moat.DB
	door     *api.Door  // of the API and the portal
	gate     *api.Gate  // of the API and the portal
	shared   api.Sender // for tokens without a tenant; nil where they are refused
	verifier *auth.Verifier
	keys     *pgxpool.Pool // of API keys; nil where there are none
	meter    telemetry.Meter
	metrics  http.Handler     // serves what meter makes; nil where nothing is measured
	tracer   telemetry.Tracer // nil where no collector is named
	// certificate is nil for plain HTTP.
	certificate *certificate
	schema      schemaSource
	api         *api.Handler
	handler     http.Handler
	proxy       *proxy.Proxy // nil where it is not served
	proxyDoor   *proxyDoor
	// reloadProxy reads the schema again for the proxy's door; nil without a proxy.
	reloadProxy func(context.Context) error
	// watcher compares the isolation with the accepted state; nil where none is configured.
	watcher *watch.Watcher
	closers []func()
}

// openService builds the service from the bottom up; the first thing that is not safe
// or not there ends it.
func openService(ctx context.Context, s *service) (*service, error) {
	return s.opened(ctx, s.open)
}

// opened opens what every service needs, and then what this one does; where that fails,
// what was opened is closed.
func (s *service) opened(ctx context.Context, open func(context.Context) error) (*service, error) {
	s.schema.load = schemaLoader(s.appURL, s.config.Model())
	s.meter, s.metrics = s.telemetry.meter()
	err := s.openFoundation(ctx)
	if err == nil {
		err = open(ctx)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// openFoundation opens what the API, the portal and the proxy stand on: traces, the certificate,
// the tenants' model, who signs tokens, and the application role's pool.
func (s *service) openFoundation(ctx context.Context) (err error) {
	tracer, flush, err := s.telemetry.tracer(ctx, s.config.Serve.Tracing, s.log)
	if err != nil {
		return err
	}
	if tracer != nil {
		s.tracer = tracer
		s.onClose(flush)
	}
	if s.certificate, err = loadCertificate(s.config.Serve); err != nil {
		return err
	}
	if err := s.inferTenant(ctx); err != nil {
		return err
	}
	if err := s.openKeys(ctx); err != nil {
		return err
	}
	if s.verifier, err = s.newVerifier(ctx); err != nil {
		return err
	}
	serve := &s.config.Serve
	if serve.StatementTimeout, err = statementTimeout(ctx, s.appURL, serve.StatementTimeout); err != nil {
		return err
	}
	if s.db, err = openApplication(ctx, s.appURL, s.config); err != nil {
		return err
	}
	s.onClose(s.db.Close)
	return s.checkSignature(ctx)
}

func (s *service) open(ctx context.Context) (err error) {
	s.openWatch(ctx)
	s.door = api.NewDoor(s.db, admission(s.config))
	s.gate = api.NewGate(s.db, apiLimits(s.config))
	if s.config.Serve.AllowWithoutTenant {
		if err := s.openShared(ctx); err != nil {
			return err
		}
	}
	if s.api, err = api.New(ctx, s.apiConfig()); err != nil {
		return startError(err)
	}
	s.onClose(s.api.Close)
	mux := http.NewServeMux()
	mux.Handle("/", s.api)
	s.handler = mux
	if !s.config.Portal.Disabled {
		pages, err := s.openPortal(ctx)
		if err != nil {
			return err
		}
		mux.Handle("/portal/", s.api.Observe(pages, "portal"))
	}
	if s.config.MCP.Enabled {
		agents, err := s.openMCP(ctx)
		if err != nil {
			return err
		}
		mux.Handle(mcp.Path, agents)
		mux.Handle(mcp.MetadataPath, agents)
	}
	return nil
}

// inferTenant fills in what moat.yaml does not say about the tenant. Tokens are checked
// for the column's type, and the setting is the one that policies read: a default that
// the database does not share would refuse every token, or show no row.
func (s *service) inferTenant(ctx context.Context) error {
	t := &s.config.Tenant
	if t.Type != "" || t.Setting != "" {
		if err := s.checkTenant(ctx); err != nil {
			return err
		}
	}
	read, err := s.schema.Last(ctx)
	if err != nil {
		return err
	}
	s.warn(read)
	if err := s.checkScope(read); err != nil {
		return err
	}
	t.Type = cmp.Or(t.Type, tenantType(read.Model.Type))
	t.Setting = cmp.Or(t.Setting, read.Model.Setting)
	if tree := read.Model.Shapes.Tree; tree != nil {
		s.config.Roles.Tree = tree.Role
	}
	return nil
}

// warn says what is served all the same, because no request of today crosses tenants by it.
func (s *service) warn(v *policy.View) {
	if warning := audit.ReleaseWarning(v.Snapshot.Version); warning != "" {
		s.log.Warn(warning)
	}
	for _, freed := range v.FreedNames() {
		s.log.Warn("tokens name tenants by a column whose freed values another tenant can get, and with them "+
			"the old tokens: run moat protect", "column", freed.Column, "reason", freed.Reason)
	}
}

func (s *service) onClose(f func()) { s.closers = append(s.closers, f) }

// close closes what was opened, the last first.
func (s *service) close() {
	for _, c := range slices.Backward(s.closers) {
		c()
	}
}

// openPool opens a pool beside that of the application role.
func openPool(ctx context.Context, url string) (*pgxpool.Pool, error) {
	c, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, connectError(err)
	}
	alive.Pool(c)
	pool, err := pgxpool.NewWithConfig(ctx, c)
	if err != nil {
		return nil, connectError(err)
	}
	return pool, nil
}

// openShared opens the small pool that serves shared tables to tokens without a tenant.
func (s *service) openShared(ctx context.Context) error {
	pc, err := pgxpool.ParseConfig(s.appURL)
	if err != nil {
		return connectError(err)
	}
	configure, err := servingPool(ctx, s.appURL, s.config)
	if err != nil {
		return err
	}
	if err := moat.Configure(pc, moat.Options{MaxConns: 2, ConfigurePool: configure}); err != nil {
		return err
	}
	pool, err := pgxpool.NewWithConfig(ctx, pc)
	if err != nil {
		return connectError(err)
	}
	s.onClose(pool.Close)
	t := s.config.Tenant
	settings := []string{tenantSetting(s.config), t.ClaimsSetting, t.SubjectSetting, t.RoleSetting}
	if issuer := s.config.Issuer(); issuer != "" {
		settings = append(settings, issuer)
	}
	s.shared = api.WithoutTenant(pool, settings...)
	return nil
}

func (s *service) apiConfig() api.Config {
	c, home := s.config, "/portal/"
	if c.Portal.Disabled {
		home = ""
	}
	metrics := s.metrics
	if c.Serve.MetricsAddress != "" {
		metrics = nil
	}
	return api.Config{
		DB:       s.db,
		Keys:     s.keys,
		Shared:   s.shared,
		Verifier: s.verifier,
		Load:     s.schema.Load,
		Connect:  func(ctx context.Context) (*pgx.Conn, error) { return moat.Connect(ctx, s.appURL) },
		Schemas:  c.Serve.Schemas,
		Home:     home,
		Logger:   s.log,
		Tracer:   s.tracer,

		Door:            s.door,
		Gate:            s.gate,
		From:            tenantFrom(c.Serve.TenantFrom),
		CORSOrigins:     c.Serve.CORSOrigins,
		AllowUnfiltered: c.Serve.AllowUnfiltered,
		AllowRollback:   c.Serve.AllowRollback,
		AllowExplain:    c.Serve.AllowExplain,
		AllowAggregates: c.Serve.AllowAggregates,
		RequestSettings: c.Serve.RequestSettings,
		PreRequest:      config.Named(c.Serve.PreRequest),
		RootSpec:        config.Named(c.Serve.RootSpec),
		SearchPath:      c.Serve.SearchPath,
		BriefErrors:     c.Serve.BriefErrors,
		AliasesOnly:     c.Serve.AliasesOnly,
		MetricsTenants:  c.Serve.MetricsTenants,
		Meter:           s.meter,
		Metrics:         metrics,
		ServerTiming:    c.Serve.ServerTiming,

		DisableCompression: !c.Serve.Compression,
		Limits:             apiLimits(c),
	}
}

// apiLimits turns moat.yaml's zero, which means no limit, into one that nothing
// reaches: zero means a default to the API.
func apiLimits(c config.Config) api.Limits {
	l := api.Limits{
		RequestsPerSecond: c.Limits.RequestsPerSecond,
		Burst:             c.Limits.Burst,
		Concurrent:        c.Limits.Concurrent,
		BesideOthers:      c.Limits.BesideOthers,
		Wait:              c.Limits.Wait,
		MaxRows:           int64(c.Serve.MaxRows),
		BodyBytes:         c.Serve.MaxBodyBytes,
		ResponseBytes:     c.Limits.ResponseBytes,
		TenantHeldBytes:   c.Limits.TenantHeldBytes,
		HeldBytes:         c.Limits.HeldBytes,
		StatementTimeout:  c.Serve.StatementTimeout,
		Query:             api.QueryLimits(c.Limits.Query),
	}
	if l.MaxRows == 0 {
		l.MaxRows = -1
	}
	if l.Concurrent == 0 {
		l.Concurrent, l.Waiting = math.MaxInt, math.MaxInt
	}
	if l.ResponseBytes == 0 {
		l.ResponseBytes = math.MaxInt64
	}
	return l
}

// startError says what to do about a service that may not start.
func startError(err error) error {
	if lookup, ok := errors.AsType[*api.LookupError](err); ok {
		return withHint(err, "run this once as an administrator:\n%s", lookup.SQL)
	}
	if refused, ok := errors.AsType[*api.PreRequestError](err); ok {
		return withHint(err, "serve.pre_request names a function without arguments; GRANT USAGE ON SCHEMA %s and EXECUTE "+
			"on it to the application role", refused.Function.Schema)
	}
	return err
}

func admission(c config.Config) api.Admission {
	m := c.Caller
	return api.Admission{
		Expose:          exposed(c.Serve),
		SuspendedColumn: c.Tenant.SuspendedColumn,
		Membership: api.Membership{Table: config.Named(m.Table), Subject: m.Subject, Tenant: m.Tenant, Role: m.Role,
			Issuer: m.Issuer},
		Issuers: speakers(c.Auth.Issuers),
		Names:   c.Serve.TenantFrom.Column,
	}
}

// exposed is serve.expose.
func exposed(c config.Serve) map[catalog.QName]api.Access {
	all := map[catalog.QName]api.Access{}
	for name, e := range c.Expose {
		all[config.Named(name)] = api.Access{Hidden: e.Access == "hidden", ReadOnly: e.Access == "read", Hide: e.Hide,
			Read: e.Read, Write: e.Write}
	}
	return all
}

// speakers says for whom each issuer speaks: the only one for all, unless it says otherwise.
func speakers(issuers []config.Issuer) map[string]api.Speaker {
	all := map[string]api.Speaker{}
	for _, i := range issuers {
		s := api.Speaker{All: i.Tenants.All || !i.Tenants.Said() && len(issuers) == 1, Column: i.Tenants.Column,
			Lookup: i.TenantLookup}
		s.Tenants = append(s.Tenants, list.Map(i.Tenants.List, func(t string) moat.Tenant { return moat.Tenant(t) })...)
		all[i.Issuer] = s
	}
	return all
}

func tenantFrom(f config.TenantFrom) api.From {
	return api.From{Host: f.Host, Path: f.Path, Proxies: f.TrustedProxies, Named: f.Column != ""}
}
