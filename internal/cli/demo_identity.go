package cli

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/internal/config"
	"github.com/moat-db/moat/internal/demo"
	"github.com/moat-db/moat/internal/idp"
)

// demoClientID is what the demo's provider knows the portal by.
const demoClientID = "moat-portal"

// serveIdentity serves a provider where visitors of the demo sign in as people do elsewhere,
// and adds it to the configuration. It listens on this machine only, as it believes everybody.
func serveIdentity(c *config.Config, d *demo.Demo, portal net.Addr) (*http.Server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p, err := idp.New(idp.Config{Issuer: "http://" + l.Addr().String(), Name: "Sign in to the demo", Client: demoClientID,
		Back: backTo(portal), Accounts: func(r *http.Request) ([]idp.Account, error) { return accounts(r.Context(), d) },
		Subject: func(email string) string { return subject(context.Background(), d, email) }})
	if err != nil {
		return nil, err
	}
	for i := range c.Auth.Issuers {
		c.Auth.Issuers[i].Tenants.All = true
	}
	c.Auth.Issuers = append(c.Auth.Issuers, config.Issuer{Issuer: p.Issuer, Audience: config.Strings{demoClientID},
		Discovery: true, TenantClaim: "tenant_id", RoleClaim: "role", Tenants: config.Speaks{All: true},
		SignIn: &config.SignIn{ClientID: demoClientID, Name: "the demo's identity provider",
			Scopes: config.Strings{"openid", "profile", "email", "offline_access"}}})
	server := &http.Server{Handler: p}
	go func() { _ = server.Serve(l) }() // ends when it is closed
	return server, nil
}

// backTo allows the portal's own pages, by any name of this machine.
func backTo(portal net.Addr) func(string) bool {
	_, port, _ := net.SplitHostPort(portal.String())
	return func(address string) bool {
		u, err := url.Parse(address)
		return err == nil && u.Scheme == "http" && u.Port() == port && u.RawQuery == "" &&
			slices.Contains([]string{"/portal/sign-in/back", "/portal/sign-in"}, u.Path) &&
			(slices.Contains([]string{"localhost", "127.0.0.1", "::1"}, u.Hostname()) ||
				strings.HasSuffix(u.Hostname(), ".localhost"))
	}
}

// subject is the id of a person of the demo, or what the id of another one would be. It is empty,
// and nobody's, where the database does not answer.
func subject(ctx context.Context, d *demo.Demo, email string) (id string) {
	conn, err := pgx.Connect(ctx, d.AdminURL)
	if err != nil {
		return ""
	}
	defer conn.Close(ctx)
	_ = conn.QueryRow(ctx, `select coalesce((select id::text from app.people where email = lower($1)),
		md5(lower($1))::uuid::text)`, email).Scan(&id)
	return id
}

// accounts are the tenants of the moment, the agency first.
func accounts(ctx context.Context, d *demo.Demo) ([]idp.Account, error) {
	conn, err := pgx.Connect(ctx, d.AdminURL)
	if err != nil {
		return nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	rows, _ := conn.Query(ctx, "select id::text, name from app.tenants order by parent_id is not null, name")
	return pgx.CollectRows(rows, pgx.RowToStructByPos[idp.Account])
}
