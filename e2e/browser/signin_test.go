package browser

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/auth"
	"github.com/moat-db/moat/internal/idp"
	"github.com/moat-db/moat/policy"
	"github.com/moat-db/moat/portal"
)

// agencyHost is one of the agency's own; browsers find every name below localhost on this
// machine.
const agencyHost, staffHost = "clients.fieldstone.localhost", "staff.fieldstone.localhost"

// journey is a portal with brands, whose clients sign in at two providers: one of them at one
// host only. Two servers share the sessions.
type journey struct {
	providers     [2]*idp.Provider
	first, second *httptest.Server
}

func newJourney(t *testing.T) *journey {
	t.Helper()
	ctx := context.Background()
	j := &journey{}
	var issuers []auth.IssuerConfig
	var signIn []portal.Provider
	for i, name := range []string{"Fieldstone ID", "Staff"} {
		server := httptest.NewUnstartedServer(nil)
		p, err := idp.New(idp.Config{Issuer: "http://" + server.Listener.Addr().String(), Name: name, Client: "portal",
			Secret: "of the portal", Life: 62 * time.Second, // renewed from the second second on
			Back: func(to string) bool {
				return strings.Contains(to, ".localhost:") && strings.Contains(to, "/portal/sign-in")
			},
			Accounts: func(*http.Request) ([]idp.Account, error) {
				c := shared.demo.Clients[3]
				return []idp.Account{{Key: string(c.Tenant), Name: c.Name}}, nil
			}})
		if err != nil {
			t.Fatal(err)
		}
		server.Config.Handler = p
		server.Start()
		t.Cleanup(server.Close)
		j.providers[i] = p
		issuers = append(issuers, auth.IssuerConfig{Issuer: p.Issuer, Audience: []string{"portal"}, Discovery: true})
		signIn = append(signIn, portal.Provider{Issuer: p.Issuer, ClientID: "portal", ClientSecret: "of the portal",
			Name: name})
	}
	signIn[1].Hosts = []string{staffHost}
	verifier, err := auth.New(ctx, auth.Config{Issuers: issuers})
	if err != nil {
		t.Fatal(err)
	}
	db, err := moat.Open(ctx, shared.demo.ApplicationURL, options(4))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	sessions, err := pgxpool.New(ctx, shared.demo.AdminURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sessions.Close)
	read, err := look(ctx, shared.demo.ApplicationURL)
	if err != nil {
		t.Fatal(err)
	}
	config := portal.Config{DB: db, Verifier: verifier, ProviderVerifier: verifier, SignIn: signIn, Sessions: sessions,
		SessionKey: []byte("the key that both servers of this test have"),
		Source:     func(context.Context) (*policy.View, error) { return read, nil },
		Logger:     slog.New(slog.NewTextHandler(os.Stderr, nil)),
		Money:      map[string]string{"app.leads.value": "EUR"},
		Brands: map[string]portal.Brand{
			agencyHost: {Name: "Fieldstone", Colours: portal.Colours{Accent: "#b3261e", Side: "#1d2a44"}, Locale: "de-DE",
				Title: "Welcome to Fieldstone", Intro: "See how your campaigns do, day by day.",
				Points:  []string{"Every lead as it comes in", "What each campaign brings"},
				Support: "mailto:help@fieldstone.example",
				Links:   []portal.BrandLink{{Title: "Legal notice", Href: "https://fieldstone.example/legal"}}},
			staffHost: {Name: "Fieldstone staff", Colours: portal.Colours{Accent: "#ffd500"}},
		}}
	for _, into := range []**httptest.Server{&j.first, &j.second} {
		h, err := portal.New(config)
		if err != nil {
			t.Fatal(err)
		}
		if err := h.Prepare(ctx); err != nil {
			t.Fatal(err)
		}
		*into = httptest.NewServer(h)
		t.Cleanup((*into).Close)
	}
	return j
}

// at is the address of a page at a host of a server.
func at(host string, s *httptest.Server, path string) string {
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	return "http://" + net.JoinHostPort(host, port) + "/portal" + path
}

func (b *tab) visit(address string) {
	b.t.Helper()
	b.must(chromedp.Navigate(address), chromedp.WaitReady(chromedp.CSS("main")))
}

// signInAt fills in the provider's form.
func (b *tab) signInAt(name, email string) {
	b.t.Helper()
	b.until(`document.querySelector("#email") !== null`)
	b.fill("#name", name)
	b.fill("#email", email)
	b.follow("button")
}

// A client signs in at the provider of the host, is known by name and e-mail, keeps the session
// at the other server and through a renewal, and signs out everywhere.
func TestSignInJourney(t *testing.T) {
	t.Parallel()
	j, b := newJourney(t), newTab(t)
	b.visit(at(agencyHost, j.first, "/sign-in"))
	b.everyPage("brand-sign-in")
	b.has(".pitch", "Welcome to Fieldstone")
	if n := eval[int](b, `document.querySelectorAll(".gate a.button").length`); n != 1 {
		t.Fatalf("%d ways to sign in at the clients' host, want one", n)
	}
	b.follow(".gate a.button")
	b.signInAt("Ada Meyer", "ada@client.example")
	b.has(".who", shared.demo.Clients[3].Name)
	b.has(".who", "Ada Meyer · ada@client.example")
	if eval[bool](b, `/moat/i.test(document.body.innerText + document.title)`) {
		t.Error("a client's page names moat")
	}
	b.visit(at(agencyHost, j.second, "/t/leads"))
	b.has("#results .foot", "1–50")
	b.has("#results tbody", ",00\u00a0€") // as in Germany
	// The token has a minute and two seconds: after those it is renewed, at either server.
	time.Sleep(2500 * time.Millisecond)
	before := shared.sessionText(t)
	b.visit(at(agencyHost, j.second, "/dashboard"))
	b.has(".who", "Ada Meyer")
	if shared.sessionText(t) == before {
		t.Error("the session is not renewed")
	}
	b.visit(at(agencyHost, j.first, "/dashboard"))
	b.everyPage("brand-dashboard")
	// Another host knows nothing of the session, and offers the provider of its own as well.
	b.visit(at(staffHost, j.first, "/dashboard"))
	b.has(".brand", "Fieldstone staff")
	if n := eval[int](b, `document.querySelectorAll(".gate a.button").length`); n != 2 {
		t.Errorf("%d ways to sign in at the staff's host, want two", n)
	}
	b.everyPage("brand-chooser")
	// Signing out at one server ends the session at both, and goes by the provider.
	b.visit(at(agencyHost, j.first, "/dashboard"))
	b.click(".leave button")
	b.until(`location.pathname === "/portal/sign-in" && document.readyState === "complete"`)
	b.visit(at(agencyHost, j.second, "/t/leads"))
	b.has(".gate", "Sign in")
}

// sessionText tells kept sessions apart.
func (w *world) sessionText(t *testing.T) (out string) {
	t.Helper()
	if err := w.admin.QueryRow(context.Background(),
		"select coalesce(string_agg(md5(value), ',' order by id), '') from moat.portal_session").Scan(&out); err != nil {
		t.Fatal(err)
	}
	return out
}
