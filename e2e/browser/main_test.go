// Package browser drives the portal in a real browser: the journeys of two clients and
// of the operator, the look of every page, accessibility and weight.
package browser

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/auth"
	"github.com/moat-db/moat/internal/apikey"
	"github.com/moat-db/moat/internal/demo"
	"github.com/moat-db/moat/internal/roles"
	"github.com/moat-db/moat/policy"
	"github.com/moat-db/moat/portal"
	pages "github.com/moat-db/moat/portal/demo"
	"github.com/moat-db/moat/tenancy"
)

// world is the demo with the portal in front of it. The tests share it: starting it
// takes seconds, and no test touches what another looks at.
type world struct {
	demo    *demo.Demo
	admin   *pgxpool.Pool
	server  *httptest.Server
	browser context.Context
}

var shared *world // set once by TestMain, read by the tests

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "browser tests:", err)
		code = 2
	}
	os.Exit(code)
}

func run(m *testing.M) (int, error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	d, err := demo.Start(ctx, demo.Options{})
	if err != nil {
		return 0, err
	}
	defer d.Stop()
	shared = &world{demo: d}
	handler, stop, err := shared.portal(ctx)
	if err != nil {
		return 0, err
	}
	defer stop()
	shared.server = httptest.NewServer(handler)
	defer shared.server.Close()
	if os.Getenv("MOAT_BROWSE") != "" { // to look around by hand
		fmt.Println(shared.server.URL + "/portal/")
		select {}
	}
	browser, close := openBrowser(ctx)
	defer close()
	if err := chromedp.Do(browser); err != nil { // starts it
		return 0, fmt.Errorf("start chromium: %w", err)
	}
	shared.browser = browser
	return m.Run(), nil
}

// portal puts the portal together as moat demo does.
func (w *world) portal(ctx context.Context) (http.Handler, func(), error) {
	db, err := moat.Open(ctx, w.demo.ApplicationURL, options(8))
	if err != nil {
		return nil, nil, err
	}
	breakIn := options(4)
	breakIn.Paranoid = true
	open, err := moat.Open(ctx, w.demo.ApplicationURL, breakIn)
	if err != nil {
		return nil, nil, err
	}
	if w.admin, err = pgxpool.New(ctx, w.demo.AdminURL); err != nil {
		return nil, nil, err
	}
	operator, err := pgxpool.New(ctx, w.demo.OperatorURL)
	if err != nil {
		return nil, nil, err
	}
	read, err := look(ctx, w.demo.ApplicationURL)
	if err != nil {
		return nil, nil, err
	}
	if _, err := w.admin.Exec(ctx, apikey.Install(demo.OperatorRole)); err != nil {
		return nil, nil, err
	}
	desk, err := w.operator(operator)
	if err != nil {
		return nil, nil, err
	}
	clients, err := auth.New(ctx, auth.Config{Issuers: []auth.IssuerConfig{
		{Issuer: demo.Issuer, Audience: []string{demo.Audience}, SecretFile: w.demo.SecretFile}}})
	if err != nil {
		return nil, nil, err
	}
	d := pages.Config{Sign: w.demo.Token, SignOperator: desk.sign, BreakIn: open, Referee: operator}
	for _, c := range append(slices.Clone(w.demo.Clients), w.demo.Agency) {
		d.Clients = append(d.Clients, pages.Client(c))
	}
	h, err := portal.New(portal.Config{DB: db, Verifier: clients, PasteTokens: true, Extend: d.Extend,
		Operator: &desk.Operator, Sessions: operator, SessionKey: []byte("the key of the sessions in the browser"),
		People: &portal.People{Admins: []string{"owner"}}, Keys: operator,
		Source: func(context.Context) (*policy.View, error) { return read, nil },
		Logger: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	if err != nil {
		return nil, nil, err
	}
	return h, func() { h.Close(); db.Close(); open.Close(); operator.Close(); w.admin.Close() }, h.Prepare(ctx)
}

func options(conns int32) *moat.Options {
	return &moat.Options{MaxConns: conns, SubjectSetting: "app.subject", RoleSetting: "app.role",
		ClaimsSetting: "app.claims", TreeRole: roles.Tree}
}

func look(ctx context.Context, url string) (*policy.View, error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return nil, err
	}
	defer conn.Close(ctx)
	o, err := model()
	if err != nil {
		return nil, err
	}
	return tenancy.Read(ctx, conn, o)
}

// model is what the demo declares, for the one role that serves.
func model() (tenancy.Options, error) {
	o, err := demo.Model()
	o.Roles = []string{demo.ApplicationRole}
	return o, err
}

// desk is the operator's side, with the key that signs its tokens.
type desk struct {
	portal.Operator
	signer *auth.Signer
}

const (
	deskIssuer = "https://operators.moat.test"
	deskSecret = "a secret that only the operators' sign-in knows"
)

func (w *world) operator(pool *pgxpool.Pool) (*desk, error) {
	admin, err := pgx.ParseConfig(w.demo.AdminURL)
	if err != nil {
		return nil, err
	}
	o, err := model()
	if err != nil {
		return nil, err
	}
	return deskOf(pool, admin, w.demo.ApplicationURL, o)
}

func deskOf(pool *pgxpool.Pool, admin *pgx.ConnConfig, appURL string, model tenancy.Options) (*desk, error) {
	verifier, err := auth.New(context.Background(), auth.Config{AllowWithoutTenant: true,
		Issuers: []auth.IssuerConfig{{Issuer: deskIssuer, Audience: []string{"moat-operator"}, Secret: deskSecret}}})
	if err != nil {
		return nil, err
	}
	signer, err := auth.NewSigner(auth.SignerConfig{Key: deskSecret, Issuer: deskIssuer, Audience: "moat-operator"})
	if err != nil {
		return nil, err
	}
	application, err := pgx.ParseConfig(appURL)
	return &desk{signer: signer, Operator: portal.Operator{Pool: pool, Verifier: verifier, Admin: admin,
		Application: application, Model: model}}, err
}

func (d *desk) sign(subject string, ttl time.Duration) (string, error) {
	return d.signer.Sign(auth.Identity{Subject: subject, Role: "operator"}, ttl)
}

// openBrowser prepares a headless Chromium; it starts with the first step.
func openBrowser(ctx context.Context) (context.Context, func()) {
	flags := []chromedp.ExecAllocatorOption{chromedp.ExecPath("/usr/bin/chromium"), chromedp.Headless, chromedp.DisableGPU,
		chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true), chromedp.Flag("disable-dev-shm-usage", true), chromedp.Env("TZ=Europe/Berlin")}
	if os.Getuid() == 0 {
		flags = append(flags, chromedp.NoSandbox)
	}
	if path := os.Getenv("MOAT_TEST_CHROMIUM"); path != "" {
		flags = append(flags, chromedp.ExecPath(path))
	}
	allocator, close := chromedp.NewExecAllocator(ctx, flags...)
	browser, cancel := chromedp.NewContext(allocator)
	return browser, func() { cancel(); close() }
}
