package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/moat-db/moat"
)

// healthz says that the process serves.
func (h *Handler) healthz(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("ok\n")) // the client may have gone
}

// readyz says that requests can be answered: the database is there and the role is
// still one that row-level security binds.
func (h *Handler) readyz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	err := h.config.DB.Check(ctx)
	var unsafe *moat.UnsafeRoleError
	switch {
	case err == nil:
		_, _ = w.Write([]byte("ready\n"))
	case errors.As(err, &unsafe):
		h.config.Logger.Error("not ready: row-level security does not bind the application role", "role", unsafe.Role,
			"reason", unsafe.Reasons)
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte("not ready: the application role is not safe\n"))
	case errors.Is(err, moat.ErrObserved):
		h.config.Logger.Error("not ready", "reason", err)
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte("not ready: row-level security is only observed\n"))
	default:
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte("not ready: the database is not available\n"))
	}
}
