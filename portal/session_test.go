package portal

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/auth"
	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/internal/serving"
	"github.com/moat-db/moat/policy"
	"github.com/moat-db/moat/tenancy"
)

func TestSignInRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	operators, err := w.operator.Sign(auth.Identity{Subject: "olga", Role: "operator"}, time.Hour)
	must(t, err)
	noTenant, err := w.client.Sign(auth.Identity{Subject: "x"}, time.Hour)
	must(t, err)
	for name, token := range map[string]string{"nothing": "", "noise": "ey.ey.ey", "an operator's": operators,
		"one without a tenant": noTenant,
		"an unknown tenant's":  w.token("77", time.Hour), "long": strings.Repeat("a", 40_000)} {
		a := w.visitor().do("POST", "/sign-in", url.Values{"token": {token}})
		if a.status < 400 || a.header.Get("Set-Cookie") != "" {
			t.Errorf("%s: %d, %s", name, a.status, a.header.Get("Set-Cookie"))
		}
	}
}

func TestOperatorSignInRefuses(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestSignInRefuses
	w := newWorld(t, nil)
	sign := func(s *auth.Signer, role, subject string) string {
		token, err := s.Sign(auth.Identity{Tenant: "1", Subject: subject, Role: role}, time.Hour)
		must(t, err)
		return token
	}
	good := sign(w.operator, "operator", "olga")
	for name, form := range map[string]url.Values{
		"a client's token":        {"token": {w.token("1", time.Hour)}, "reason": {"let me in"}},
		"a client as an operator": {"token": {sign(w.client, "operator", "x")}, "reason": {"let me in"}},
		"another role":            {"token": {sign(w.operator, "client", "x")}, "reason": {"let me in"}},
		"nobody":                  {"token": {sign(w.operator, "operator", "")}, "reason": {"let me in"}},
		"no reason":               {"token": {good}, "reason": {"  "}},
		"no token":                {"reason": {"let me in"}},
	} {
		if a := w.visitor().do("POST", "/operator/sign-in", form); a.status < 400 || a.header.Get("Set-Cookie") != "" {
			t.Errorf("%s: %d", name, a.status)
		}
	}
	if n := w.query("select count(*)::text from moat.operator_log"); n != "0" {
		t.Errorf("%s lines for sign-ins that failed", n)
	}
	without := newWorld(t, func(c *Config) { c.Operator = nil })
	if a := without.visitor().get("/operator/"); a.status != http.StatusNotFound {
		t.Errorf("without an operator the console answers %d", a.status)
	}
}

func TestCookiesAndForeignForms(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	a := w.visitor().do("POST", "/sign-in", url.Values{"token": {w.token("1", time.Hour)}})
	for _, want := range []string{"HttpOnly", "SameSite=Lax", "Path=/portal"} {
		if !strings.Contains(a.header.Get("Set-Cookie"), want) {
			t.Errorf("the cookie %q lacks %s", a.header.Get("Set-Cookie"), want)
		}
	}
	if strings.Contains(a.header.Get("Set-Cookie"), "ey") && strings.Count(a.header.Get("Set-Cookie"), ".") > 1 {
		t.Error("the cookie looks like a token")
	}
	v := w.signedIn("1")
	for _, headers := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"},
		{"Origin", "https://evil.example"}} {
		for _, path := range []string{"/t/Order/new", "/sign-in", "/sign-out", "/operator/sign-in", "/break-in"} {
			if got := v.do("POST", path, url.Values{"title": {"forged"}}, headers...); got.status != http.StatusForbidden {
				t.Errorf("POST %s with %v: %d", path, headers, got.status)
			}
		}
	}
	if got := v.get("/dashboard"); got.status != http.StatusOK {
		t.Errorf("a forged sign-out worked: %d", got.status)
	}
}

func TestSessionsEnd(t *testing.T) {
	t.Parallel()
	now := time.Now()
	w := newWorld(t, func(c *Config) { c.Now = func() time.Time { return now }; c.SessionTTL = 2 * time.Hour })
	v, out := w.signedIn("1"), w.signedIn("1")
	if a := out.do("POST", "/sign-out", nil); a.status != http.StatusSeeOther {
		t.Fatal(a.status)
	}
	if a := out.get("/dashboard"); a.status != http.StatusSeeOther {
		t.Errorf("after signing out: %d", a.status)
	}
	now = now.Add(59 * time.Minute)
	if a := v.get("/dashboard"); a.status != http.StatusOK {
		t.Errorf("before its end: %d", a.status)
	}
	now = now.Add(2 * time.Minute)
	if a := v.get("/dashboard"); a.status != http.StatusSeeOther {
		t.Errorf("after its token's end: %d", a.status)
	}
}

// A session works on every server that has the key, and ends with the key or the issuer of
// its token, also that of an operator who views as a client.
func TestSessionsFollowTheirIssuer(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestServersShareSessions
	w := newWorld(t, func(c *Config) { c.SessionKey = []byte("shared") })
	a, desk := w.signedIn("1"), w.desk()
	desk.do("POST", "/operator/tenants/1/view", url.Values{"reason": {"ticket 12"}})
	for _, tt := range []struct {
		name                   string
		change                 func(*Config)
		client, operator, view int
	}{
		{"another server", func(*Config) {}, 200, 200, 200},
		{"the clients' key is another", func(c *Config) {
			c.Verifier = verifier(t, strings.Repeat("n", 32), "https://clients.test", false)
		}, 303, 200, 200},
		{"the clients' issuer is gone", func(c *Config) {
			c.Verifier = verifier(t, clientSecret, "https://others.test", false)
		}, 303, 200, 200},
		{"the operators' key is another", func(c *Config) {
			o := *c.Operator
			o.Verifier = verifier(t, strings.Repeat("n", 32), "https://operators.test", true)
			c.Operator = &o
		}, 200, 303, 303},
		{"the session key is another", func(c *Config) { c.SessionKey = nil }, 303, 303, 303},
	} {
		c := w.config
		tt.change(&c)
		p, err := New(c)
		must(t, err)
		must(t, p.Prepare(t.Context()))
		w.server.Config.Handler = p
		client, operator, view := a.get("/dashboard"), desk.get("/operator/"), desk.get("/dashboard")
		if client.status != tt.client || operator.status != tt.operator || view.status != tt.view {
			t.Errorf("%s: client %d, operator %d, view %d", tt.name, client.status, operator.status, view.status)
		}
	}
}

// A page without TLS cannot send forms to one with it, although both have the same name.
func TestSchemeOfTheOrigin(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestCookiesAndForeignForms
	w := newWorld(t, func(c *Config) { c.SecureCookies = true })
	v, host := w.visitor(), strings.TrimPrefix(w.server.URL, "http://")
	for origin, want := range map[string]int{"http://" + host: 403, "https://" + host: 422} {
		if got := v.do("POST", "/sign-in", url.Values{}, "Origin", origin); got.status != want {
			t.Errorf("%s: %d, want %d", origin, got.status, want)
		}
	}
}

// Where no column suspends a client, or one with words that only the application knows, the
// console keeps who is suspended itself; it cannot take back such a word.
func TestSuspendWithoutAColumn(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestSuspendAndViewAs
	for name, alter := range map[string]string{"none": "DROP COLUMN suspended",
		"words": "DROP COLUMN suspended, ADD COLUMN status text"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pgtest.Full(t, "words")
			w := newWorld(t, func(c *Config) {
				known := c.Operator.Model
				c.Source = func(ctx context.Context) (*policy.View, error) { // as it is now
					conn, err := pgx.ConnectConfig(ctx, c.Operator.Application)
					if err != nil {
						return nil, err
					}
					defer conn.Close(ctx)
					return tenancy.Read(ctx, conn, known)
				}
			})
			w.db.Exec(t, "ALTER TABLE shop.accounts "+alter)
			a, desk := w.signedIn("1"), w.desk()
			state := func(state string) int {
				return desk.do("POST", "/operator/tenants/1/state", url.Values{"state": {state}, "reason": {"a bill"}}).status
			}
			if got := state("suspended"); got != http.StatusSeeOther {
				t.Fatal(got)
			}
			if got := a.get("/t/Order"); got.status != http.StatusForbidden {
				t.Errorf("suspended: %d", got.status)
			}
			if got := desk.get("/operator/tenants/1"); !strings.Contains(got.body, "Resume") {
				t.Error("the console does not show who is suspended")
			}
			if got := w.signedIn("2").get("/t/Order"); got.status != http.StatusOK {
				t.Errorf("another client: %d", got.status)
			}
			if got := state("active"); got != http.StatusSeeOther {
				t.Fatal(got)
			}
			if got := a.get("/t/Order"); got.status != http.StatusOK {
				t.Errorf("resumed: %d", got.status)
			}
			if name != "words" {
				return
			}
			w.db.Exec(t, "UPDATE shop.accounts SET status = 'disabled'")
			if got := state("active"); got != http.StatusConflict {
				t.Errorf("a word of the application's: %d", got)
			}
		})
	}
}

// Suspending closes the portal at once, and the operator who views as a client changes
// nothing.
func TestSuspendAndViewAs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	a, desk := w.signedIn("1"), w.desk()
	if got := desk.do("POST", "/operator/tenants/1/state",
		url.Values{"state": {"suspended"}}); got.status != http.StatusUnprocessableEntity {
		t.Errorf("without a reason: %d", got.status)
	}
	if got := desk.do("POST", "/operator/tenants/1/state", url.Values{"state": {"suspended"},
		"reason": {"unpaid bill"}}); got.status != http.StatusSeeOther {
		t.Fatal(got.status, got.body)
	}
	if got := a.get("/t/Order"); got.status != http.StatusForbidden || strings.Contains(got.body, "MARK-A 1") {
		t.Errorf("suspended: %d", got.status)
	}
	if got := desk.do("POST", "/operator/tenants/1/view",
		url.Values{"reason": {"ticket 12"}}); got.status != http.StatusSeeOther {
		t.Fatal(got.status, got.body)
	}
	if got := desk.get("/t/Order"); got.status != http.StatusOK || !strings.Contains(got.body, "MARK-A") ||
		strings.Contains(got.body, "MARK-B") {
		t.Errorf("viewing as A: %d", got.status)
	}
	for _, path := range []string{"/t/Order/new", "/t/Order/set/1", "/t/Order/e/1", "/break-in"} {
		if got := desk.do("POST", path, url.Values{"value": {"void"}, "title": {"x"}}); got.status != http.StatusForbidden {
			t.Errorf("POST %s while viewing: %d", path, got.status)
		}
	}
	desk.do("POST", "/operator/tenants/1/state", url.Values{"state": {"active"}, "reason": {"bill is paid"}})
	log := a.get("/access").body
	for _, want := range []string{"olga", "unpaid bill", "ticket 12", "bill is paid"} {
		if !strings.Contains(log, want) {
			t.Errorf("the client cannot read %q", want)
		}
	}
	if other := w.signedIn("2").get("/access").body; strings.Contains(other, "olga") {
		t.Error("another client reads what concerns A")
	}
	if got := desk.get("/operator/tenants/9"); got.status != http.StatusNotFound {
		t.Errorf("a client that is not there: %d", got.status)
	}
}

// An operator is no member of the clients that it looks at, and a client must be one.
func TestViewAsNeedsNoMembership(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestViewAsAMember
	w := newWorld(t, func(c *Config) {
		c.Door = serving.NewDoor(c.DB, serving.Admission{Membership: serving.Membership{
			Table: catalog.QName{Schema: "shop", Name: "staff"}, Subject: "login", Role: "position"}})
	})
	if got := w.signedIn("1").get("/t/Order"); got.status != http.StatusOK {
		t.Errorf("a member: %d", got.status)
	}
	a := w.visitor().do("POST", "/sign-in", url.Values{"token": {w.token("2", time.Hour)}})
	if a.status != http.StatusForbidden || a.header.Get("Set-Cookie") != "" || !strings.Contains(a.body, "no access") {
		t.Errorf("no member: %d %s", a.status, a.body)
	}
	desk := w.desk()
	if got := desk.do("POST", "/operator/tenants/2/view",
		url.Values{"reason": {"ticket 13"}}); got.status != http.StatusSeeOther {
		t.Fatal(got.status, got.body)
	}
	if got := desk.get("/t/Order"); got.status != http.StatusOK || !strings.Contains(got.body, "MARK-B") {
		t.Errorf("viewing as B: %d", got.status)
	}
	w.db.Exec(t, `DELETE FROM shop.visits; DELETE FROM shop.lines; DELETE FROM shop."Order";
		DELETE FROM shop.accounts WHERE id = 2`)
	w.config.Door.Flush()
	if got := desk.get("/t/Order"); got.status != http.StatusForbidden {
		t.Errorf("viewing as a client that has gone: %d", got.status)
	}
}

// Nothing is done as the operator role that the log cannot hold.
func TestNoLogNoUse(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	desk := w.desk()
	w.db.Exec(t, "ALTER TABLE moat.operator_log ADD CONSTRAINT full_up CHECK (false) NOT VALID")
	for _, path := range []string{"/operator/", "/operator/tenants/1", "/operator/log", "/operator/isolation"} {
		if got := desk.get(path); got.status < 500 || strings.Contains(got.body, "MARK") {
			t.Errorf("%s without a log: %d", path, got.status)
		}
	}
	desk.do("POST", "/operator/tenants/1/state", url.Values{"state": {"suspended"}, "reason": {"unseen"}})
	if w.query("select suspended::text from shop.accounts where id = 1") != "false" {
		t.Error("suspended without a line in the log")
	}
}

// The application role cannot change the log, and the operator cannot change a line.
func TestLogIsAppendOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.desk()
	ctx := context.Background()
	for _, role := range []string{"app", "operator"} {
		conn := w.db.Conn(t, w.db.As(t, w.db.Roles[role]))
		for _, sql := range []string{"delete from moat.operator_log", "update moat.operator_log set reason = 'none'",
			"truncate moat.operator_log"} {
			if _, err := conn.Exec(ctx, sql); err == nil {
				t.Errorf("%s may %s", role, sql)
			}
		}
	}
}

// Where the operator role may not create the console's tables, the SQL that an
// administrator runs is at hand; after it the console needs no administrator.
func TestPrepareWithoutAnAdministrator(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	ctx := context.Background()
	config := w.config
	o := *config.Operator
	o.Admin = nil
	config.Operator = &o
	w.db.Exec(t, "drop table moat.operator_log, moat.tenant_seen, moat.console_state")
	p, err := New(config)
	must(t, err)
	var missing *NotPreparedError
	if err := p.Prepare(ctx); !errors.As(err, &missing) {
		t.Fatalf("got %v", err)
	}
	w.db.Exec(t, missing.SQL)
	if err := p.Prepare(ctx); err != nil {
		t.Error(err)
	}
}

// Pages read in a transaction that cannot write, whatever the schema runs in it.
func TestPagesAreReadOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	v := w.signedIn("1")
	w.db.Exec(t, `CREATE TABLE shop.touched (n int); GRANT INSERT ON shop.touched TO PUBLIC;
		CREATE FUNCTION shop.touch() RETURNS boolean LANGUAGE plpgsql AS
			'BEGIN INSERT INTO shop.touched VALUES (1); RETURN true; END';
		CREATE POLICY touching ON shop."Order" AS RESTRICTIVE FOR SELECT USING (shop.touch())`)
	for _, path := range []string{"/dashboard", "/t/Order", "/t/Order/export", "/t/Order/r/1", "/t/Order/e/1"} {
		if got := v.get(path); got.status != http.StatusInternalServerError {
			t.Errorf("%s: %d", path, got.status)
		}
	}
	if n := w.query("select count(*)::text from shop.touched"); n != "0" {
		t.Errorf("looking wrote %s rows", n)
	}
}
