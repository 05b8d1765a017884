package cli

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
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
			"security does not bind, and without an issuer, an audience and a key. While an issuer\n" +
			"that serves its keys is away, moat starts, and /readyz says so. SIGHUP rereads the\n" +
			"schema, the certificate and the tenants. OTEL_EXPORTER_OTLP_ENDPOINT receives\n" +
			"the traces. The operator's console needs portal.operator_issuers and\n" +
			"MOAT_OPERATOR_URL, API keys MOAT_KEYS_URL, agents mcp.enabled and MOAT_MCP_URL.\n" +
			"MOAT_SESSION_URL, or else the operator's, keeps the portal's sessions.",
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
	tuneMemory(ctx)
	log := slog.New(slog.NewJSONHandler(a.Err, nil))
	s, err := openService(ctx, &service{config: c, appURL: appURL, operatorURL: os.Getenv("MOAT_OPERATOR_URL"),
		keysURL: keysURL(), sessionURL: os.Getenv("MOAT_SESSION_URL"), mcpURL: os.Getenv("MOAT_MCP_URL"),
		log: log, telemetry: a.Telemetry, check: check})
	if err != nil {
		return err
	}
	defer s.close()
	if check {
		fmt.Fprintln(a.Out, "configuration, role and schema are ready to serve")
		return nil
	}
	endpoints, err := s.listen(addr)
	if err != nil {
		return err
	}
	defer s.reloadOnHangup(ctx)()
	ctx, stop := s.drained(ctx)
	defer stop()
	return serveEach(ctx, endpoints...)
}

// drained returns a context that ends a while after ctx where SIGTERM has ended that: until
// then /readyz says so, and who spreads the requests sends them elsewhere.
func (s *service) drained(ctx context.Context) (context.Context, func()) {
	terminated := make(chan os.Signal, 1)
	signal.Notify(terminated, syscall.SIGTERM)
	serving, end := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		defer end()
		s.api.Drain()
		select {
		case <-terminated:
			s.log.Info("shutting down", "after", s.config.Serve.DrainDelay.String())
			time.Sleep(s.config.Serve.DrainDelay)
		case <-time.After(100 * time.Millisecond): // the same signal reaches ctx first
		}
	})
	return serving, func() { stop(); end(); signal.Stop(terminated) }
}

// listen opens the address of the API, and the one of the metrics where they have
// their own.
func (s *service) listen(addr string) ([]endpoint, error) {
	l, err := listen(addr, false)
	if err != nil {
		return nil, err
	}
	public := newHTTPServer(s.handler, s.log)
	public.TLSConfig = s.certificate.config()
	s.log.Info("serving", "address", l.Addr().String(), "tls", s.certificate != nil)
	own := s.config.Serve.MetricsAddress
	if own == "" {
		return []endpoint{{public, l}}, nil
	}
	m, err := listen(own, false)
	if err != nil {
		l.Close()
		return nil, err
	}
	s.log.Info("serving metrics", "address", m.Addr().String())
	return []endpoint{{public, l}, {newHTTPServer(metricsOnly(s.metrics), s.log), m}}, nil
}
