package portal

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/moat-db/moat"
)

// console is the operator's side of the portal. Its methods do nothing on nil.
type console struct {
	p      *Portal
	config Operator
	pool   *pgxpool.Pool
	prover prover
	looks  looks

	mu        sync.Mutex
	installed bool
	lastSeen  map[moat.Tenant]time.Time
}

func newConsole(p *Portal) *console {
	return &console{p: p, config: *p.config.Operator, pool: p.config.Operator.Pool, lastSeen: map[moat.Tenant]time.Time{}}
}

func (c *console) routes(mux *http.ServeMux) {
	if c == nil {
		return
	}
	const at = base + "/operator"
	mux.Handle("GET "+at+"/sign-in", c.p.plain(c.signInPage))
	mux.Handle("POST "+at+"/sign-in", c.p.plain(c.signIn))
	mux.Handle("POST "+at+"/sign-out", c.p.plain(c.signOut))
	for pattern, h := range c.operatorRoutes() {
		method, path, _ := strings.Cut(pattern, " ")
		mux.Handle(method+" "+at+path, c.operator(h))
	}
}

// operatorRoutes are the pages of an operator.
func (c *console) operatorRoutes() map[string]operatorHandler {
	return map[string]operatorHandler{
		"GET /{$}":                 c.tenantsPage,
		"GET /tenants/{id}":        c.tenantPage,
		"POST /tenants/{id}/state": c.setState,
		"POST /tenants/{id}/view":  c.viewAs,
		"GET /isolation":           c.isolationPage,
		"POST /isolation/look":     c.lookAgain,
		"POST /isolation/good":     c.keepGood,
		"POST /isolation/prove":    c.startProve,
		"GET /isolation/prove":     c.proveProgress,
		"GET /log":                 c.logPage,
	}
}

type operatorHandler func(w http.ResponseWriter, r *http.Request, s *session) error

// operator lets a signed-in operator through, and nobody else.
func (c *console) operator(h operatorHandler) http.Handler {
	return c.p.plain(func(w http.ResponseWriter, r *http.Request) error {
		s := c.p.desk.of(r, operatorCookie)
		if s == nil {
			return errOperator
		}
		return h(w, r, s)
	})
}

// page is a page with the operator's navigation.
func (c *console) page(r *http.Request, s *session, title, active string) *page {
	out := c.p.page(r, title, active)
	out.Shell, out.Subject, out.Expires = "operator", s.subject, s.expires
	for _, l := range []link{{"Clients", base + "/operator/", "people", false}, {"Isolation", base + "/operator/isolation", "shield", false},
		{"Operator log", base + "/operator/log", "list", false}} {
		l.On = l.Title == active
		out.Nav = append(out.Nav, l)
	}
	return out
}

// use runs fn as the operator role. The line in the log is committed first: what the
// log cannot hold is not done, and what failed was still tried.
func (c *console) use(ctx context.Context, e entryOf, fn func(tx pgx.Tx) error) error {
	if err := c.record(ctx, e); err != nil {
		return err
	}
	return pgx.BeginFunc(ctx, c.pool, func(tx pgx.Tx) error {
		if err := limit(ctx, tx, c.p.config.Timeout); err != nil {
			return err
		}
		return fn(tx)
	})
}

// entryOf is one line for the log.
type entryOf struct {
	by      *session
	action  string
	tenant  string // "" when it is about all of them
	reason  string // "" means the reason of the session
	details string
}

func (c *console) record(ctx context.Context, e entryOf) error {
	if err := c.install(ctx); err != nil {
		return err
	}
	read, err := c.p.config.Source(ctx)
	if err != nil {
		return err
	}
	var tenant any
	if e.tenant != "" {
		tenant = e.tenant
	}
	if e.reason == "" {
		e.reason = e.by.reason
	}
	_, err = c.pool.Exec(ctx, "insert into moat.operator_log (operator, action, "+quote(read.Model.Column)+", reason, details) values ($1, $2, $3, $4, $5)",
		e.by.subject, e.action, tenant, e.reason, e.details)
	return err
}

// seenEvery is how often a client's use of the portal is written down at most.
const seenEvery = time.Minute

// seen writes down, as the client itself, that it was here.
func (c *console) seen(ctx context.Context, s *session) {
	if c == nil || s.viewAs != nil {
		return
	}
	now, tenant := c.p.config.Now(), s.scope.Tenant
	c.mu.Lock()
	due := c.installed && now.Sub(c.lastSeen[tenant]) >= seenEvery
	if due {
		if len(c.lastSeen) > 10_000 {
			clear(c.lastSeen)
		}
		c.lastSeen[tenant] = now
	}
	c.mu.Unlock()
	if !due {
		return
	}
	read, err := c.p.config.Source(ctx)
	if err == nil {
		_, err = c.p.config.DB.Exec(ctx, "insert into moat.tenant_seen ("+quote(read.Model.Column)+") values ($1) on conflict ("+quote(read.Model.Column)+") do update set at = excluded.at", string(tenant))
	}
	if err != nil {
		c.p.config.Logger.Warn("portal: last seen not written", "error", err.Error())
	}
}

// minReason is the shortest text that can be a reason.
const minReason = 4

func reasonOf(r *http.Request) (string, error) {
	reason := strings.Join(strings.Fields(clip(r.PostFormValue("reason"), 300)), " ")
	if len(reason) < minReason {
		return "", &refusal{http.StatusUnprocessableEntity, "A reason is needed", "Say in a few words what this is for. It is written down" +
			" where the client can read it."}
	}
	return strings.ToValidUTF8(strings.ReplaceAll(reason, "\x00", ""), ""), nil
}
