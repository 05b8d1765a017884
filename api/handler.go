package api

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/moat-db/moat/api/internal/problem"
	"github.com/moat-db/moat/api/internal/schema"
	"github.com/moat-db/moat/auth"
	"github.com/moat-db/moat/internal/serving"
)

// Handler serves the API, its description, health and metrics. It is safe for
// concurrent use.
type Handler struct {
	config  Config
	schema  atomic.Pointer[state]
	metrics *metrics
	ready   readiness
	buffers buffers
	handler http.Handler

	reloading sync.Mutex
	renewing  sync.Mutex
	renewed   time.Time
	stop      context.CancelFunc
	done      chan struct{}
}

// state is one version of the schema with what is derived from it.
type state struct {
	*schema.Schema
	version uint64
	check   *serving.Check
	pages   sync.Map // descriptions by schema name
	plans   *plans
	// below is what a tenant and those below it are served from; nil where nothing is,
	// and flat says why.
	below *state
	flat  string
}

// New loads the schema and returns a Handler that keeps it current until
// [Handler.Close]. It returns an error when the schema cannot be loaded.
func New(ctx context.Context, config Config) (*Handler, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	h := &Handler{config: config, done: make(chan struct{})}
	h.metrics = newMetrics(h)
	w := h.watch()
	w.Begin(ctx)
	if err := h.load(ctx); err != nil {
		w.End(ctx)
		return nil, err
	}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	h.stop = stop
	go func() { defer close(h.done); w.Run(background) }()
	return h, nil
}

func (h *Handler) load(ctx context.Context) (err error) {
	if err := h.Reload(ctx); err != nil {
		return err
	}
	h.handler, err = h.chain()
	return err
}

// Close stops watching the schema. Requests are still answered.
func (h *Handler) Close() {
	h.stop()
	<-h.done
}

// FlushTenants forgets what is known of every tenant, as the notification
// moat_tenants does.
func (h *Handler) FlushTenants() { h.config.Door.Flush() }

// ServeHTTP answers a request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.handler.ServeHTTP(w, r) }

// chain puts the layers around the routes: the log sees everything, compression what
// is sent, CORS answers preflights before a token is asked for.
func (h *Handler) chain() (http.Handler, error) {
	verified := auth.Middleware(h.config.Verifier, auth.MiddlewareOptions{ErrorHandler: h.unauthorized})
	authenticated := verified(http.HandlerFunc(h.rest))
	mux := http.NewServeMux()
	base := h.config.Base
	mux.Handle(base+"/", h.browse(authenticated))
	mux.Handle(base, h.browse(authenticated))
	mux.Handle("GET /tenants", verified(http.HandlerFunc(h.tenants)))
	if h.config.Keys != nil {
		for _, route := range []string{"GET /keys", "POST /keys", "DELETE /keys/{id}"} {
			mux.Handle(route, verified(http.HandlerFunc(h.keys)))
		}
	}
	mux.HandleFunc("GET /healthz", h.healthz)
	mux.HandleFunc("GET /readyz", h.readyz)
	if h.config.Metrics != nil {
		mux.Handle("GET /metrics", h.config.Metrics)
	}
	mux.HandleFunc("/{$}", h.home(authenticated))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		h.writeError(w, r, problem.New(http.StatusNotFound, "PGRST125", "Invalid path specified in request URL"))
	})
	answers, err := h.compressed(h.config.From.Strip(serving.OwnWrites(h.config.DB, "", mux)))
	if err != nil {
		return nil, err
	}
	return h.observe(h.cors(h.hold(answers))), nil
}

// home sends a browser to the home page and describes the API to everything else.
func (h *Handler) home(api http.Handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if safe(r.Method) && strings.Contains(r.Header.Get("Accept"), "text/html") && r.Header.Get("Authorization") == "" {
			http.Redirect(w, r, h.config.Home, http.StatusFound)
			return
		}
		again := r.Clone(r.Context())
		again.URL.Path, again.URL.RawPath = h.config.Base+"/", ""
		api.ServeHTTP(w, again)
	}
}

// rest answers an authenticated request.
func (h *Handler) rest(w http.ResponseWriter, r *http.Request) {
	infoOf(r).timing.mark(phaseJWT)
	body, err := h.arrive(r)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	// The client may go while the statement runs. Cancelling it would cost the
	// connection, and leave open whether a write was committed.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), h.config.Limits.Timeout)
	defer cancel()
	r = r.WithContext(context.WithValue(ctx, bodyKey{}, body))
	if err := h.answer(w, r); err != nil {
		h.fail(w, r, err)
	}
}

// unauthorized answers a refused token; the log learns which check it did not pass.
func (h *Handler) unauthorized(w http.ResponseWriter, r *http.Request, err error) {
	known := errors.Is(err, auth.ErrNoToken) || errors.Is(err, auth.ErrNoKeys) || errors.As(err, new(*auth.TokenError))
	if !known { // a key could not be looked up
		h.fail(w, r, err)
		return
	}
	h.config.Gate.Stranger(r.Context())
	refused := auth.Describe(err)
	e := problem.New(refused.Status, refused.Code, "%s", refused.Message)
	e.RetryAfter = refused.RetryAfter
	if info := infoOf(r); info != nil {
		info.code = e.Code
		if token, ok := errors.AsType[*auth.TokenError](err); ok {
			info.refused = token
		}
	}
	h.writeError(w, r, e)
}

func (h *Handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	e := describe(err)
	if info := infoOf(r); info != nil {
		info.code, info.cause = e.Code, e.Cause
	}
	h.writeError(w, r, e)
}

// dispatch answers a request whose turn it is. Whoever may not come in learns nothing of
// what is wrong with the request.
func (h *Handler) dispatch(w http.ResponseWriter, r *http.Request) error {
	q, err := h.open(r)
	if err != nil {
		return err
	}
	defer q.close()
	if err := h.route(w, q); err != nil {
		if !q.asked {
			return cmp.Or(q.ask(), err)
		}
		return err
	}
	return nil
}

// route routes by path: the root, a function, or a table.
func (h *Handler) route(w http.ResponseWriter, q *request) error {
	path := strings.TrimPrefix(strings.TrimPrefix(q.URL.Path, h.config.Base), "/")
	name, isCall := strings.CutPrefix(path, "rpc/")
	if path == "" || q.Method == http.MethodOptions { // no statement will ask
		if err := q.ask(); err != nil {
			return err
		}
	}
	switch {
	case path == "":
		return h.root(w, q)
	case name == "" || strings.Contains(name, "/"):
		return problem.New(http.StatusNotFound, "PGRST125", "Invalid path specified in request URL")
	case isCall:
		return h.call(w, q, name)
	}
	return h.table(w, q, name)
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
