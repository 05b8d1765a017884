package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/spf13/cobra"

	"github.com/moat-db/moat/internal/config"
	"github.com/moat-db/moat/internal/demo"
	"github.com/moat-db/moat/internal/postgres"
	"github.com/moat-db/moat/internal/report"
)

// demoTokenTTL is how long the tokens that the demo prints are valid.
const demoTokenTTL = 24 * time.Hour

// demoFlags are the flags of moat demo.
type demoFlags struct {
	dir, addr, format string
	download, sealed  bool
}

func (a *app) newDemo() *cobra.Command {
	var f demoFlags
	c := &cobra.Command{
		Use:   "demo",
		Short: "Show tenant isolation on a private PostgreSQL with sample data",
		Long: "Start a private PostgreSQL with an agency, five clients and their 30,000 leads in one\n" +
			"table, serve it, and print what to try: each client alone, and the agency above them.\n" +
			"Nothing is left behind when it ends, unless --data keeps it. --format json prints one\n" +
			"line, with addresses and tokens, once it is ready.",
		Example: "  moat demo\n  moat demo --sealed\n  moat demo --addr 127.0.0.1:0 --format json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.demo(cmd.Context(), f)
		},
	}
	flags := c.Flags()
	flags.StringVar(&f.dir, "data", "", "keep the data in this folder")
	flags.StringVar(&f.addr, "addr", "", "address to serve on (default: 127.0.0.1:8080 if free, else any port)")
	formatFlag(c, &f.format, report.TextOrJSON())
	flags.BoolVar(&f.sealed, "sealed", false, "bind the tenant by a signature, so that injected SQL cannot change it")
	flags.BoolVar(&f.download, "download-postgres", false, "fetch PostgreSQL where none is installed")
	return c
}

func (a *app) demo(ctx context.Context, f demoFlags) error {
	l, err := listen(f.address())
	if err != nil {
		return err
	}
	defer l.Close()
	fmt.Fprintln(a.Err, "starting PostgreSQL with sample data …")
	d, err := demo.Start(ctx, demo.Options{Dir: f.dir, Download: f.download, Sealed: f.sealed})
	if errors.Is(err, postgres.ErrNotFound) {
		return withHint(err, "moat demo --download-postgres fetches one for this demo only")
	}
	if err != nil {
		return err
	}
	err = a.serveDemo(ctx, d, l, f.format)
	return errors.Join(err, d.Stop())
}

func (f demoFlags) address() (address string, preferred bool) {
	if f.addr != "" {
		return f.addr, false
	}
	return "127.0.0.1:8080", true
}

// visitorLimits lets one visitor try everything at once. What answers may take of the memory stays bounded, and
// with it what all bodies and answers may.
func visitorLimits(l config.Limits) config.Limits {
	return config.Limits{ResponseBytes: l.ResponseBytes}
}

func (a *app) serveDemo(ctx context.Context, d *demo.Demo, l net.Listener, format string) error {
	c, err := config.Load(d.ConfigFile)
	if err != nil {
		return err
	}
	c.Limits = visitorLimits(c.Limits)
	identity, err := serveIdentity(&c, d, l.Addr())
	if err != nil {
		return err
	}
	defer identity.Close()
	log := slog.New(slog.NewTextHandler(a.Err, &slog.HandlerOptions{Level: slog.LevelWarn}))
	s, err := openService(ctx, &service{config: c, appURL: d.ApplicationURL, operatorURL: d.OperatorURL, log: log,
		telemetry: a.Telemetry, extend: demoPages(d)})
	if err != nil {
		return err
	}
	defer s.close()
	clients, err := signClients(d, append(slices.Clone(d.Clients), d.Agency))
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		select {
		case <-d.Done(): // without its server the demo has nothing to show
			stop()
		case <-ctx.Done():
		}
	}()
	wire, err := listen(s.config.Proxy.Address, true)
	if err != nil {
		return err
	}
	if err := s.openProxy(ctx); err != nil {
		return errors.Join(err, wire.Close())
	}
	served := make(chan error, 2)
	go func() { served <- serveHTTP(ctx, newHTTPServer(s.handler, log), l) }()
	go func() { served <- s.serveProxy(ctx, wire) }()
	addresses := demoAddresses{"http://" + reachable(l.Addr()), newDemoProxy(wire, d.ApplicationURL), c.Portal.Brand}
	if err := a.printDemo(d, clients, addresses, format); err != nil {
		return err
	}
	err = <-served
	stop()
	return errors.Join(err, <-served)
}

// demoAddresses are where the demo is served.
type demoAddresses struct {
	url    string
	proxy  demoProxy
	brands map[string]config.Brand // by host
}

// portals are the addresses of the portal, and of consoles that brands set apart, as lines to print.
func (at demoAddresses) portals(p painter) string {
	if len(at.brands) == 0 {
		return fmt.Sprintf("  portal   %s\n", p.green(at.url+"/portal/"))
	}
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(at.url, "http://"))
	var lines strings.Builder
	for _, host := range slices.Sorted(maps.Keys(at.brands)) {
		name, path := "portal", "/portal/"
		if at.brands[host].Console {
			name, path = "console", "/portal/operator/"
		}
		fmt.Fprintf(&lines, "  %-8s %s\n", name, p.green("http://"+net.JoinHostPort(host, port)+path))
	}
	return lines.String()
}

// reachable is an address to open in a browser: that of a container's every interface is none.
func reachable(a net.Addr) string {
	if tcp, ok := a.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		return fmt.Sprintf("localhost:%d", tcp.Port)
	}
	return a.String()
}

// demoProxy is where PostgreSQL's drivers connect.
type demoProxy struct {
	Host     string `json:"host"`
	Port     int    `json:"port"`
	Database string `json:"database"`
}

func newDemoProxy(l net.Listener, applicationURL string) demoProxy {
	address := l.Addr().(*net.TCPAddr)
	p := demoProxy{Host: address.IP.String(), Port: address.Port}
	if c, err := pgconn.ParseConfig(applicationURL); err == nil {
		p.Database = c.Database
	}
	return p
}

// demoClient is one client as scripts and people get to see it.
type demoClient struct {
	Name   string `json:"name"`
	Tenant string `json:"tenant"`
	Token  string `json:"token"`

	header string // a file that holds the Authorization header, for curl
}

// signClients makes a token for each and keeps it beside the demo's data, so
// that the commands to try stay short.
func signClients(d *demo.Demo, tenants []demo.Client) ([]demoClient, error) {
	var clients []demoClient
	for i, c := range tenants {
		token, err := d.Token(c.Tenant, "demo-visitor", "client", demoTokenTTL)
		if err != nil {
			return nil, err
		}
		header := filepath.Join(filepath.Dir(d.SecretFile), string(rune('A'+i)))
		if err := os.WriteFile(header, []byte("Authorization: Bearer "+token+"\n"), 0o600); err != nil {
			return nil, err
		}
		clients = append(clients, demoClient{Name: c.Name, Tenant: string(c.Tenant), Token: token, header: header})
	}
	return clients, nil
}

func (a *app) printDemo(d *demo.Demo, all []demoClient, at demoAddresses, format string) error {
	url, clients, agency := at.url, all[:len(d.Clients)], all[len(d.Clients)]
	if format == "json" {
		return json.NewEncoder(a.Out).Encode(struct {
			URL         string       `json:"url"`
			API         string       `json:"api_url"`
			Application string       `json:"application_database_url"`
			Operator    string       `json:"operator_database_url"`
			Config      string       `json:"config_file"`
			Clients     []demoClient `json:"clients"`
			Agency      demoClient   `json:"agency"`
			Proxy       demoProxy    `json:"proxy"`
		}{url, url + "/rest/v1", d.ApplicationURL, d.OperatorURL, d.ConfigFile, clients, agency, at.proxy})
	}
	w := bufio.NewWriter(a.Out)
	p := painter{on: a.color(a.Out)}
	title := "one table of leads, five clients, kept apart by PostgreSQL"
	if d.SealKeyFile != "" {
		title += ", the tenant sealed"
	}
	fmt.Fprintf(w, "\n%s  %s\n", p.bold("moat demo"), p.dim(title))
	fmt.Fprintf(w, "\n%s  API      %s\n", at.portals(p), p.green(url+"/rest/v1/"))
	fmt.Fprintf(w, "\n%s\n", p.bold("Clients, the agency above them, and their tokens"))
	for i, c := range all {
		fmt.Fprintf(w, "  %c  %-20s %s\n     %s\n", 'A'+i, c.Name, c.Tenant, p.dim(c.Token))
	}
	fmt.Fprintf(w, "\n%s\n", p.bold("Try"))
	for i, t := range trials(d, all, url+"/rest/v1") {
		fmt.Fprintf(w, "  %d. %s\n     %s\n", i+1, t.what, p.cyan(t.command))
	}
	fmt.Fprintf(w, "\n%s\n  %s\n", p.bold("Any PostgreSQL driver: a token is the password"),
		p.cyan(fmt.Sprintf(`psql "host=%s port=%d dbname=%s user=app password=$(cut -d' ' -f3 %s)" `+
			`-c 'SELECT count(*) FROM leads'`, at.proxy.Host, at.proxy.Port, at.proxy.Database, clients[0].header)))
	fmt.Fprintf(w, "\n%s\n  %s\n", p.bold("Break in: any SQL as client A"),
		p.cyan(fmt.Sprintf("%s breakin --config %s --app-url '%s' --tenant %s", self(), d.ConfigFile, d.ApplicationURL,
			clients[0].Tenant)))
	if d.SealKeyFile == "" {
		fmt.Fprintln(w, "  "+p.dim("SQL that sets another tenant gets in, as the threat model says; "+
			"moat demo --sealed stops it."))
	}
	fmt.Fprintf(w, "\n%s\n  %s\n", p.bold("More tokens"), p.cyan(fmt.Sprintf("%s token --config %s --tenant %s", self(),
		d.ConfigFile, clients[0].Tenant)))
	fmt.Fprintf(w, "\n%s\n", p.dim("Ctrl-C ends the demo."))
	return w.Flush()
}

// trial is a command to paste, and what it shows.
type trial struct{ what, command string }

func trials(d *demo.Demo, clients []demoClient, api string) []trial {
	a, b, agency := clients[0], clients[1], clients[len(clients)-1]
	list := api + "/leads?select=name,status,created_at&order=created_at.desc&limit=3"
	return []trial{
		{"The latest leads of " + a.Name, fmt.Sprintf("curl -s -H @%s '%s'", a.header, list)},
		{"The same request as " + b.Name, fmt.Sprintf("curl -s -H @%s '%s'", b.header, list)},
		{"Without a token: 401", fmt.Sprintf("curl -s -w '\\n%%{http_code}\\n' '%s'", list)},
		{fmt.Sprintf("%s asks for %s's rows: none", a.Name, b.Name),
			fmt.Sprintf("curl -s -H @%s '%s/leads?or=(tenant_id.eq.%s,and(tenant_id.eq.%s,id.not.is.null))'", a.header, api,
				b.Tenant, b.Tenant)},
		{"SQL as the application role: no setting, no rows; with it, that client's", sqlTrial(d, a)},
		{"The agency asks for what is below it: the latest leads of all clients", fmt.Sprintf(
			"curl -s -H @%s -H 'Moat-Scope: descendants' "+
				"'%s/leads?select=tenants(name),name,status&order=created_at.desc&limit=5'",
			agency.header, api)},
	}
}

// sqlTrial counts leads without and with a tenant, through psql where it is installed
// and can bind the tenant: a sealed one takes a signature.
func sqlTrial(d *demo.Demo, c demoClient) string {
	const count = "SELECT count(*) FROM leads"
	if _, err := exec.LookPath("psql"); err == nil && d.SealKeyFile == "" {
		return fmt.Sprintf(`psql '%s' -c '%s' -c BEGIN -c "SET LOCAL app.current_tenant = '%s'" -c '%s' -c COMMIT`,
			d.ApplicationURL, count, c.Tenant, count)
	}
	sql := fmt.Sprintf("%s sql --config %s --app-url '%s'", self(), d.ConfigFile, d.ApplicationURL)
	return fmt.Sprintf("%s '%s'; %s --tenant %s '%s'", sql, count, sql, c.Tenant, count)
}

// self is how the reader can call this program again.
func self() string {
	path, err := os.Executable()
	if err != nil {
		return "moat"
	}
	if found, err := exec.LookPath("moat"); err == nil && found == path {
		return "moat"
	}
	if wd, err := os.Getwd(); err == nil {
		if rel, err := filepath.Rel(wd, path); err == nil && !strings.HasPrefix(rel, "..") {
			return "./" + rel
		}
	}
	return path
}
