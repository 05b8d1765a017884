package api

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/moat-db/moat"
)

// healthz says that the process serves.
func (h *Handler) healthz(w http.ResponseWriter, r *http.Request) {
	h.config.Gate.Probe(r.Context())
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("ok\n")) // the client may have gone
}

// readiness is what /readyz found last. Whoever asks need not be anybody, so the database is
// asked once in a while and not for each of them.
type readiness struct {
	mu       sync.Mutex
	at       time.Time
	err      error
	draining atomic.Bool
}

// readyFor is how long a finding holds.
const readyFor = time.Second

// check asks the database whether the role is still one that row-level security binds.
func (r *readiness) check(ctx context.Context, db *moat.DB) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Since(r.at) < readyFor {
		return r.err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	r.err, r.at = db.Check(ctx), time.Now()
	return r.err
}

// Drain has /readyz say that the server is about to end, and connections end with the
// request that they carry. Requests are still answered.
func (h *Handler) Drain() { h.ready.draining.Store(true) }

// readyz says that requests can be answered: the database is there, the role is still one
// that row-level security binds, and the keys of each issuer were read.
func (h *Handler) readyz(w http.ResponseWriter, r *http.Request) {
	h.config.Gate.Probe(r.Context())
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	text := "ready\n"
	if reason := h.notReady(r.Context()); reason != "" {
		text = "not ready: " + reason + "\n"
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_, _ = w.Write([]byte(text)) // the client may have gone
}

// notReady says why no request should come here; "" where they may.
func (h *Handler) notReady(ctx context.Context) string {
	if h.ready.draining.Load() {
		return "the server is shutting down"
	}
	err := h.ready.check(ctx, h.config.DB)
	var unsafe *moat.UnsafeRoleError
	switch {
	case err == nil:
		return h.noKeys()
	case errors.As(err, &unsafe):
		h.config.Logger.Error("not ready: row-level security does not bind the application role", "role", unsafe.Role,
			"reason", unsafe.Reasons)
		return "the application role is not safe"
	}
	return "the database is not available"
}

// noKeys names the issuers whose tokens nobody can check yet; "" where there is none. The
// tokens of the others are served meanwhile.
func (h *Handler) noKeys() string {
	waiting := h.config.Verifier.Waiting()
	if len(waiting) == 0 {
		return ""
	}
	return "the keys of the issuer have not been read yet: " + strings.Join(waiting, ", ")
}
