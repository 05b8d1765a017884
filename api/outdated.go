package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat/api/internal/problem"
)

// renewEvery bounds how often refused statements make the schema be read again: a
// function whose own text is broken is refused each time.
const renewEvery = time.Second

// outdated reports whether the database does not have what a statement names. Requests
// name only what is in the schema, so a table or column was dropped or renamed since
// it was read.
func outdated(err error) bool {
	if err == nil { // most of the time, and before anything is allocated
		return false
	}
	var pgErr *pgconn.PgError
	return errors.As(err, &pgErr) && (pgErr.Code == "42703" || pgErr.Code == "42P01")
}

// ours reports whether the statement itself names what is not there, and no function that
// it calls: those are the team's.
func ours(err error) bool {
	var pgErr *pgconn.PgError
	return errors.As(err, &pgErr) && pgErr.Where == ""
}

// answer answers a request. One whose statement was outdated is answered by the schema as it
// is now: its client may have named nothing that is not there, and nothing of it was done.
// Where that schema is yet to be read, the client learns no names that it did not use.
func (h *Handler) answer(w http.ResponseWriter, r *http.Request) error {
	version := h.version()
	err := h.dispatch(w, r)
	if outdated(err) && h.renew(r.Context(), version) {
		err = h.dispatch(w, r)
	}
	if outdated(err) && ours(err) {
		changed := problem.New(http.StatusServiceUnavailable, "MOAT133", "the schema has changed and is being read again")
		changed.RetryAfter, changed.Cause = renewEvery, err
		return changed
	}
	return err
}

// renew reads the schema again unless another request has done so since version was
// current, and reports whether there is a newer one.
func (h *Handler) renew(ctx context.Context, version uint64) bool {
	h.renewing.Lock()
	defer h.renewing.Unlock()
	if h.version() > version {
		return true
	}
	if time.Since(h.renewed) < renewEvery {
		return false
	}
	h.renewed = time.Now()
	if err := h.Reload(ctx); err != nil {
		h.config.Logger.Error("schema could not be reloaded, the old one stays", "error", describe(err).Code)
		return false
	}
	return true
}
