// Package frame is what the rooms of the portal share: the layout around every page,
// the headers of every answer, sessions, and how an error becomes a page. It knows
// nothing of any room.
package frame

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/klauspost/compress/gzhttp"

	"github.com/moat-db/moat/internal/serving"
)

// Base is where the portal lives on the server.
const Base = "/portal"

// Config is what every room obeys.
type Config struct {
	// Gate is the way to the pool.
	Gate *serving.Gate
	// Timeout is the statement timeout of a page.
	Timeout time.Duration
	// SessionKey encrypts sessions; nil means one that the process makes up.
	SessionKey []byte
	// Store keeps sessions; nil means that they live in their cookies.
	Store *Store
	// SessionTTL is how long a session lives at most.
	SessionTTL time.Duration
	// SecureCookies marks cookies Secure although the request came without TLS.
	SecureCookies bool
	// Brands are the hosts that the portal is served at, and how it looks there; none means any
	// host, as moat's own. Locale is that of hosts that say none.
	Brands map[string]Brand
	Locale string
	Logger *slog.Logger
	Now    func() time.Time
}

// Frame serves what the rooms have in common.
type Frame struct {
	Config
	assets *assets
	views  *Views
	secret []byte
	looks  map[string]*Look
	plain  *Look
}

// New returns a Frame. It does no I/O.
func New(config Config) (*Frame, error) {
	f := &Frame{Config: config, secret: sessionSecret(config.SessionKey)}
	var err error
	if f.assets, err = loadAssets(); err != nil {
		return nil, err
	}
	if err = f.prepareLooks(); err != nil {
		return nil, err
	}
	f.views, err = f.Views(templateFiles, nil)
	return f, err
}

// Handler answers a request, or returns why not.
type Handler func(w http.ResponseWriter, r *http.Request) error

// Handle turns the error of a handler into its page.
func (f *Frame) Handle(h Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			f.fail(w, r, err)
		}
	})
}

// Wrap puts around the routes of all rooms what every answer needs.
func (f *Frame) Wrap(mux *Mux) http.Handler {
	mux.Handle("GET "+Base+"/assets/{version}/{file}", f.assets)
	mux.Handle(Base+"/", f.Handle(func(http.ResponseWriter, *http.Request) error { return ErrNotFound }))
	foreign := f.Handle(func(http.ResponseWriter, *http.Request) error { return errForeign })
	guard := http.NewCrossOriginProtection()
	guard.SetDenyHandler(foreign)
	pages := gzhttp.GzipHandler(f.sameScheme(guard.Handler(mux), foreign))
	return f.recovered(headers(f.known(f.Gate.Hold(pages, f.fail))))
}

// sameScheme refuses what a page that came without TLS sends to one that did: whoever
// can alter the first could use the second. The guard compares names only.
func (f *Frame) sameScheme(next, foreign http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		safe := r.Method == http.MethodGet || r.Method == http.MethodHead
		if !safe && f.Secure(r) && strings.HasPrefix(r.Header.Get("Origin"), "http://") {
			foreign.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Admit gives a request to a tenant, at the tenant's rate, reads its form and waits for
// its turn at the pool: in this order, because a form takes as long as its sender does.
func (f *Frame) Admit(r *http.Request, tenant string) error {
	x := f.Gate.ExchangeOf(r)
	if err := x.Arrive(r.Context(), tenant); err != nil {
		return err
	}
	if err := f.Form(r, f.Gate.BodyLimit()); err != nil {
		return err
	}
	return x.Turn(r.Context())
}

// AdmitUpload is [Frame.Admit] for a form with a file, which goes to the disk. The caller
// removes it: r.MultipartForm.RemoveAll.
func (f *Frame) AdmitUpload(r *http.Request, tenant string, limit int64) error {
	x := f.Gate.ExchangeOf(r)
	if err := x.Arrive(r.Context(), tenant); err != nil {
		return err
	}
	if err := x.Upload(r, limit); err != nil {
		return err
	}
	if err := x.Turn(r.Context()); err != nil {
		return errors.Join(err, r.MultipartForm.RemoveAll())
	}
	return nil
}

// Form reads the body of a request, once, for its form to be read from.
func (f *Frame) Form(r *http.Request, limit int64) error {
	body, err := f.Gate.ExchangeOf(r).Body(r, limit)
	r.Body = io.NopCloser(bytes.NewReader(body))
	return err
}

// recovered turns a panic into an error page and a line in the log.
func (f *Frame) recovered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			caught := recover()
			if caught == nil {
				return
			}
			if caught == http.ErrAbortHandler {
				panic(caught)
			}
			f.Logger.Error("portal: panic", "path", r.URL.Path, "panic", fmt.Sprintf("%T", caught),
				"stack", string(debug.Stack()))
			f.fail(w, r, fmt.Errorf("panic in %s", r.URL.Path))
		}()
		next.ServeHTTP(w, r)
	})
}

// Limit sets the statement timeout for the rest of the transaction.
func (f *Frame) Limit(ctx context.Context, tx pgx.Tx) error { return Limit(ctx, tx, f.Timeout) }

// Limit sets a statement timeout for the rest of the transaction.
func Limit(ctx context.Context, tx pgx.Tx, d time.Duration) error {
	_, err := tx.Exec(ctx, "select pg_catalog.set_config('statement_timeout', $1, true)",
		strconv.FormatInt(d.Milliseconds(), 10))
	return err
}
