package portal

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/auth"
	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// withStaff is a portal whose clients and operators sign in at providers of their own.
func withStaff(t *testing.T) (w *world, clients, staff *issuer) {
	t.Helper()
	staff = newIssuer(t) // its clock stands still, as the portal's
	staff.change = func(c jwt.MapClaims) { c["role"] = "operator"; delete(c, "tenant_id") }
	w, clients = withProvider(t, func(c *Config) {
		v, err := auth.New(t.Context(), auth.Config{TenantType: moat.BigInt, AllowWithoutTenant: true,
			Issuers: []auth.IssuerConfig{{Issuer: staff.server.URL, Audience: []string{"moat-portal"}, Discovery: true,
				Leeway: -1}}, Now: c.Now})
		must(t, err)
		c.Operator.SignIn = []Provider{{Issuer: staff.server.URL, ClientID: "moat-portal", ClientSecret: "portal-secret"}}
		c.Operator.ProviderVerifier = v
	})
	return w, clients, staff
}

// atTheirs signs a visitor in at the operators' provider, and gives a reason unless it is empty.
func (w *world) atTheirs(reason string) *visitor {
	w.t.Helper()
	v := w.visitor()
	if a := v.get(v.beginAt("/operator")); a.header.Get("Location") != "/portal/operator/sign-in/reason" {
		w.t.Fatalf("back from the operators' provider: %d %s\n%s", a.status, a.header.Get("Location"), a.body)
	}
	if reason != "" {
		if a := v.do("POST", "/operator/sign-in/reason", url.Values{"reason": {reason}}); a.status != http.StatusSeeOther {
			w.t.Fatalf("gave a reason: %d\n%s", a.status, a.body)
		}
	}
	return v
}

func (v *visitor) inConsole() bool { return v.get("/operator/").status == http.StatusOK }

func TestOperatorsSignInAtTheProvider(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestOperatorsProviderIsTheirs
	w, _, staff := withStaff(t)
	v := w.atTheirs("")
	if a := v.get("/operator/"); a.header.Get("Location") != "/portal/operator/sign-in/reason" {
		t.Errorf("without a reason the console answers %d %s", a.status, a.header.Get("Location"))
	}
	if a := v.do("POST", "/operator/sign-in/reason", url.Values{"reason": {" "}}); a.status !=
		http.StatusUnprocessableEntity || v.inConsole() {
		t.Errorf("a blank reason: %d", a.status)
	}
	v.do("POST", "/operator/sign-in/reason", url.Values{"reason": {"ticket 31"}})
	if !v.inConsole() {
		t.Fatal("signed in with a reason, and the console stays shut")
	}
	if n := w.query(`select count(*)::text from moat.operator_log where operator = 'user-4711' and action = 'signed in'
		and reason = 'ticket 31'`); n != "1" {
		t.Errorf("%s lines say who signed in and why", n)
	}
	v.do("POST", "/operator/tenants/1/view", url.Values{"reason": {"ticket 31"}})
	if a := v.get("/t/Order"); a.status != http.StatusOK || !strings.Contains(a.body, "MARK-A") {
		t.Errorf("viewed as a client: %d", a.status)
	}
	if out := v.do("POST", "/operator/sign-out", nil); !strings.Contains(out.body, staff.server.URL+"/end?") {
		t.Errorf("signing out does not go on to the provider: %d", out.status)
	}
	if v.inConsole() {
		t.Error("signed out, and the console is open")
	}
}

// What opens one room opens no other, and none is opened without its role.
func TestOperatorsProviderIsTheirs(t *testing.T) {
	t.Parallel()
	w, clients, staff := withStaff(t)
	clients.set(func() { clients.change = func(c jwt.MapClaims) { c["role"] = "operator" } })
	if w.atProvider().inConsole() {
		t.Error("a client with the role of an operator is in the console")
	}
	crossed := w.visitor()
	back := crossed.begin()
	if a := crossed.get(strings.Replace(back, "/portal/sign-in", "/portal/operator/sign-in", 1)); a.status !=
		http.StatusBadRequest || crossed.inConsole() {
		t.Errorf("a client's sign-in ended in the console's door: %d", a.status)
	}
	if w.atTheirs("ticket 32").signed() {
		t.Error("an operator is signed in as a client")
	}
	pasted := w.visitor().do("POST", "/operator/sign-in", url.Values{"token": {staff.sign("user-4711", "")},
		"reason": {"ticket 33"}})
	if pasted.status != http.StatusNotFound {
		t.Errorf("a pasted token: %d", pasted.status)
	}
	for name, change := range map[string]func(jwt.MapClaims){
		"no role":      func(c jwt.MapClaims) { delete(c, "role") },
		"another role": func(c jwt.MapClaims) { c["role"] = "client" },
	} {
		staff.set(func() { staff.change = change })
		v := w.visitor()
		if a := v.get(v.beginAt("/operator")); a.status != http.StatusForbidden || v.inConsole() {
			t.Errorf("%s: %d", name, a.status)
		}
	}
}

// A session is renewed while its role lasts, and ends with it.
func TestOperatorsSessionEndsWithTheRole(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestSessionsEnd
	w, clients, staff := withStaff(t)
	staff.set(func() { staff.refresh, staff.life = true, 5*time.Minute })
	v := w.atTheirs("ticket 34")
	later := func() {
		clients.later(4*time.Minute + 30*time.Second) // the portal's clock
		staff.later(4*time.Minute + 30*time.Second)
	}
	later()
	if !v.inConsole() || staff.renewed != 1 {
		t.Fatalf("renewed %d times, and in the console: %t", staff.renewed, v.inConsole())
	}
	staff.set(func() { staff.change = func(c jwt.MapClaims) { c["role"] = "client" } })
	later()
	if v.inConsole() {
		t.Error("the role has gone, and the console is open")
	}
}
