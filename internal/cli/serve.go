package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/api"
	"github.com/moat-db/moat/auth"
	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/config"
)

func (a *app) newServe() *cobra.Command {
	var addr string
	var check bool
	c := &cobra.Command{
		Use:   "serve",
		Short: "Serve the protected tables as a REST API, and the portal",
		Long: "Serve every protected table that the application role can reach, to clients that\n" +
			"bring a token: the API at /rest/v1/, the portal at /portal/, health at /healthz and\n" +
			"/readyz, metrics at /metrics. moat refuses to start with a role that row-level\n" +
			"security does not bind, and without an issuer, an audience and a key.",
		Example: "  moat serve --config moat.yaml --app-url postgres://moat_app@db.internal/app\n" +
			"  moat serve --check",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.serve(cmd.Context(), addr, check)
		},
	}
	c.Flags().StringVar(&addr, "addr", "", "address to listen on (default: serve.address of moat.yaml)")
	c.Flags().BoolVar(&check, "check", false, "check the configuration and the database, and exit")
	return c
}

func (a *app) serve(ctx context.Context, addr string, check bool) error {
	c, err := a.config()
	if err != nil {
		return err
	}
	if addr == "" {
		addr = c.Serve.Address
	}
	appURL, err := a.application()
	if err != nil {
		return err
	}
	log := slog.New(slog.NewJSONHandler(a.Err, nil))
	s, err := openService(ctx, c, appURL, log)
	if err != nil {
		return err
	}
	defer s.close()
	if check {
		fmt.Fprintln(a.Out, "configuration, role and schema are ready to serve")
		return nil
	}
	l, err := listen(addr, false)
	if err != nil {
		return err
	}
	log.Info("serving", "address", l.Addr().String())
	return serveHTTP(ctx, newHTTPServer(s.handler, log), l, tlsFiles{c.Serve.TLSCertFile, c.Serve.TLSKeyFile})
}

// service is what answers requests: the API over the application role's pool.
type service struct {
	db       *moat.DB
	verifier *auth.Verifier
	api      *api.Handler
	handler  http.Handler
	shared   *pgxpool.Pool // for tokens without a tenant; nil where they are refused
}

// openShared opens the small pool that serves shared tables to tokens without a tenant.
func openShared(ctx context.Context, appURL string, c config.Config) (api.Sender, *pgxpool.Pool, error) {
	pc, err := pgxpool.ParseConfig(appURL)
	if err != nil {
		return nil, nil, connectError(err)
	}
	pc.MaxConns = 2
	api.ConfigurePool(c.Serve.StatementTimeout)(pc)
	pool, err := pgxpool.NewWithConfig(ctx, pc)
	if err != nil {
		return nil, nil, connectError(err)
	}
	setting := c.Tenant.Setting
	if setting == "" {
		setting = moat.DefaultTenantSetting
	}
	return api.WithoutTenant(pool, setting, "request.jwt.claims", "app.current_subject", "app.current_role"), pool, nil
}

// openService builds the service from the bottom up; the first thing that is not safe
// or not there ends it.
func openService(ctx context.Context, c config.Config, appURL string, log *slog.Logger) (*service, error) {
	if err := checkTLS(c.Serve); err != nil {
		return nil, err
	}
	verifier, err := newVerifier(ctx, c, log)
	if err != nil {
		return nil, err
	}
	db, err := openApplication(ctx, appURL, c)
	if err != nil {
		return nil, err
	}
	s := &service{db: db, verifier: verifier}
	config := apiConfig(c, s, appURL, log)
	if c.Serve.AllowWithoutTenant {
		if config.Shared, s.shared, err = openShared(ctx, appURL, c); err != nil {
			s.close()
			return nil, err
		}
	}
	s.api, err = api.New(ctx, config)
	if err != nil {
		s.close()
		return nil, err
	}
	s.handler = s.api
	return s, nil
}

func (s *service) close() {
	if s.api != nil {
		s.api.Close()
	}
	s.db.Close()
	if s.shared != nil {
		s.shared.Close()
	}
}

func checkTLS(c config.Serve) error {
	if (c.TLSCertFile == "") != (c.TLSKeyFile == "") {
		return errors.New("serve.tls_cert_file and serve.tls_key_file go together")
	}
	return nil
}

func apiConfig(c config.Config, s *service, appURL string, log *slog.Logger) api.Config {
	return api.Config{
		DB:       s.db,
		Verifier: s.verifier,
		Load:     snapshotLoader(appURL, modelOptions(c)),
		Connect:  func(ctx context.Context) (*pgx.Conn, error) { return pgx.Connect(ctx, appURL) },
		Schemas:  c.Serve.Schemas,
		Logger:   log,

		SuspendedColumn: c.Tenant.SuspendedColumn,
		Membership:      membership(c.Serve.Membership),
		CORSOrigins:     c.Serve.CORSOrigins,
		AllowUnfiltered: c.Serve.AllowUnfiltered,
		AllowRollback:   c.Serve.AllowRollback,
		AllowExplain:    c.Serve.AllowExplain,
		AllowAggregates: c.Serve.AllowAggregates,
		Limits: api.Limits{
			RequestsPerSecond: c.Limits.RequestsPerSecond,
			Burst:             c.Limits.Burst,
			Concurrent:        c.Limits.Concurrent,
			Wait:              c.Limits.Wait,
			MaxRows:           int64(c.Serve.MaxRows),
			BodyBytes:         c.Serve.MaxBodyBytes,
			ResponseBytes:     c.Limits.ResponseBytes,
		},
	}
}

func membership(m config.Membership) api.Membership {
	return api.Membership{Table: qname(m.Table), Subject: m.Subject, Tenant: m.Tenant, Role: m.Role}
}

// snapshotLoader reads the catalog as the application role, over a connection of its
// own: what that role cannot see it cannot serve.
func snapshotLoader(appURL string, o catalog.Options) func(context.Context) (*catalog.Snapshot, *catalog.Model, error) {
	return func(ctx context.Context) (*catalog.Snapshot, *catalog.Model, error) {
		conn, err := pgx.Connect(ctx, appURL)
		if err != nil {
			return nil, nil, connectError(err)
		}
		defer conn.Close(context.WithoutCancel(ctx))
		snapshot, err := catalog.Load(ctx, conn)
		if err != nil {
			return nil, nil, err
		}
		model, err := catalog.Infer(snapshot, o)
		return snapshot, model, err
	}
}
