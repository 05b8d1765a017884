package portal

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/klauspost/compress/gzhttp"

	"github.com/moat-db/moat"
)

// base is where the portal lives on the server.
const base = "/portal"

// Portal is the handler of everything under /portal/. It is safe for concurrent use.
type Portal struct {
	config   Config
	handler  http.Handler
	assets   *assets
	pages    pages
	sessions *sessions // of clients
	desk     *sessions // of operators
	console  *console  // nil without an operator

	mu     sync.Mutex
	schema *schema
}

// New returns the portal. It does no I/O.
func New(config Config) (*Portal, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	p := &Portal{config: config, sessions: newSessions(config.Now), desk: newSessions(config.Now)}
	if p.assets, err = loadAssets(); err != nil {
		return nil, err
	}
	if p.pages, err = p.loadPages(); err != nil {
		return nil, err
	}
	if config.Operator != nil {
		p.console = newConsole(p)
	}
	p.handler = p.wrap(p.routes())
	return p, nil
}

// ServeHTTP serves a request under /portal/.
func (p *Portal) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.handler.ServeHTTP(w, r) }

// Close cuts short what the portal does in the background and waits until it has ended.
// Call it when no request is served any more and before the pools are closed.
func (p *Portal) Close() {
	if p.console != nil {
		p.console.prover.close()
	}
}

// wrap puts around the routes what every answer needs.
func (p *Portal) wrap(next http.Handler) http.Handler {
	guard := http.NewCrossOriginProtection()
	guard.SetDenyHandler(p.plain(func(http.ResponseWriter, *http.Request) error {
		return &refusal{http.StatusForbidden, "This form came from another site", "Open the portal itself and try again there."}
	}))
	return p.recovered(headers(gzhttp.GzipHandler(guard.Handler(next))))
}

func (p *Portal) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET "+base+"/assets/{version}/{file}", p.assets)
	mux.Handle("GET "+base+"/{$}", p.plain(p.home))
	mux.Handle("GET "+base+"/sign-in", p.plain(p.signInPage))
	mux.Handle("POST "+base+"/sign-in", p.plain(p.signIn))
	mux.Handle("POST "+base+"/sign-out", p.plain(p.signOut))
	for pattern, h := range p.clientRoutes() {
		method, path, _ := strings.Cut(pattern, " ")
		mux.Handle(method+" "+base+path, p.client(h))
	}
	p.console.routes(mux)
	mux.Handle(base+"/", p.plain(func(http.ResponseWriter, *http.Request) error { return errNotFound }))
	return mux
}

// clientRoutes are the pages of a client, under base.
func (p *Portal) clientRoutes() map[string]clientHandler {
	routes := map[string]clientHandler{
		"GET /dashboard":            p.dashboard,
		"GET /access":               p.accessLog,
		"GET /t/{table}":            p.list,
		"GET /t/{table}/export":     p.export,
		"GET /t/{table}/new":        p.newForm,
		"POST /t/{table}/new":       p.create,
		"GET /t/{table}/r/{key}":    p.record,
		"GET /t/{table}/e/{key}":    p.editForm,
		"POST /t/{table}/e/{key}":   p.change,
		"POST /t/{table}/set/{key}": p.set,
	}
	if p.config.Demo != nil && p.config.Demo.BreakIn != nil {
		routes["GET /break-in"], routes["POST /break-in"] = p.breakInPage, p.breakIn
	}
	return routes
}

// view returns the portal's view of the schema, made anew when the source has another
// one.
func (p *Portal) view(ctx context.Context) (*schema, error) {
	read, err := p.config.Source(ctx)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.schema == nil || p.schema.read != read {
		check, err := p.config.Door.Check(read)
		if err != nil {
			return nil, err
		}
		p.schema = build(read, check)
	}
	return p.schema, nil
}

// read runs fn in a read-only snapshot of the tenant of ctx.
func (p *Portal) read(ctx context.Context, fn func(tx pgx.Tx) error) error {
	return p.config.DB.InReadTx(ctx, func(tx pgx.Tx) error {
		if err := limit(ctx, tx, p.config.Timeout); err != nil {
			return err
		}
		return fn(tx)
	})
}

// write runs fn in a transaction of the tenant of ctx.
func (p *Portal) write(ctx context.Context, fn func(tx pgx.Tx) error) error {
	return p.config.DB.InTx(ctx, func(tx pgx.Tx) error {
		if err := limit(ctx, tx, p.config.Timeout); err != nil {
			return err
		}
		return fn(tx)
	})
}

// limit sets the statement timeout for the rest of the transaction.
func limit(ctx context.Context, tx pgx.Tx, d time.Duration) error {
	_, err := tx.Exec(ctx, "select pg_catalog.set_config('statement_timeout', $1, true)", strconv.FormatInt(d.Milliseconds(), 10))
	return err
}

// visit is what a client's page knows of its visitor.
type visit struct {
	context.Context
	session *session
	schema  *schema
	zone    *time.Location
	tenant  moat.Tenant
	name    string // of the tenant, for people
}

type clientHandler func(w http.ResponseWriter, r *http.Request, v *visit) error

// client lets those through whom the door admits at this moment, with their scope on the
// context: a session does not outlive a membership.
func (p *Portal) client(h clientHandler) http.Handler {
	return p.plain(func(w http.ResponseWriter, r *http.Request) error {
		s := p.sessions.of(r, clientCookie)
		if s == nil {
			return errSignIn
		}
		if s.viewAs != nil && r.Method != http.MethodGet {
			return &refusal{http.StatusForbidden, "This is a look, not a touch", "While you view as a client nothing can be changed."}
		}
		sc, err := p.view(r.Context())
		if err != nil {
			return err
		}
		scope, name, err := p.admit(r.Context(), sc, s)
		if err != nil {
			return err
		}
		ctx := moat.WithScope(r.Context(), scope)
		v := &visit{Context: ctx, session: s, schema: sc, zone: zoneOf(r), tenant: scope.Tenant, name: name}
		p.console.seen(ctx, s)
		return h(w, r.WithContext(ctx), v)
	})
}
