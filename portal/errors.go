package portal

import (
	"context"
	"errors"
	"net/http"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/serving"
)

// refusal is an error that its page explains.
type refusal struct {
	status int
	title  string
	hint   string
}

func (e *refusal) Error() string { return e.title }

var (
	errSignIn   = errors.New("not signed in")
	errOperator = errors.New("operator not signed in")
	errNotFound = &refusal{http.StatusNotFound, "There is nothing here", "The page or the row does not exist, or is not yours to see."}
)

// explain is the one place where an error becomes a status and words. What a database
// says stays in the log: it may name what is not the visitor's.
func explain(err error) *refusal {
	var known *refusal
	if errors.As(err, &known) {
		return known
	}
	var pg *pgconn.PgError
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return errNotFound
	case errors.Is(err, serving.ErrUnknownTenant):
		return &refusal{http.StatusForbidden, "This client is not known here", "It may have been removed. Ask your agency."}
	case errors.Is(err, serving.ErrSuspended):
		return &refusal{http.StatusForbidden, "This account is suspended", "Your data is kept, but locked. Your agency can open it again."}
	case errors.Is(err, serving.ErrNotMember):
		return &refusal{http.StatusForbidden, "You have no access to this account", "You are not one of its members, or no longer. Ask your agency."}
	case errors.Is(err, moat.ErrNoTenant), errors.As(err, new(*moat.InvalidTenantError)):
		return &refusal{http.StatusForbidden, "Your sign-in names no client", "Ask your agency for another link."}
	case errors.Is(err, context.DeadlineExceeded):
		return errSlow
	case errors.As(err, &pg):
		return explainPg(pg)
	}
	return &refusal{http.StatusInternalServerError, "Something went wrong on our side", "Nothing was changed. Try again in a moment; if it stays, tell your agency when it happened."}
}

var errSlow = &refusal{http.StatusServiceUnavailable, "That took too long and was stopped", "Ask for less: a shorter time, one more filter, or a longer word to search for."}

func explainPg(pg *pgconn.PgError) *refusal {
	switch pg.Code {
	case "57014":
		return errSlow
	case "42501":
		return &refusal{http.StatusForbidden, "That is not allowed", "The database refused it: this sign-in has no right to do that."}
	case "22P02", "22003", "22007", "22008", "22023":
		return &refusal{http.StatusBadRequest, "A value in the address is not of the right kind", "Go back and choose the filter again."}
	case "53300", "57P03":
		return &refusal{http.StatusServiceUnavailable, "The database is busy", "Try again in a moment."}
	}
	return &refusal{http.StatusInternalServerError, "Something went wrong on our side", "Nothing was changed. Try again in a moment; if it stays, tell your agency when it happened."}
}

type plainHandler func(w http.ResponseWriter, r *http.Request) error

// plain turns the error of a handler into its page.
func (p *Portal) plain(h plainHandler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			p.fail(w, r, err)
		}
	})
}

func (p *Portal) fail(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case errors.Is(err, errSignIn):
		redirect(w, r, base+"/sign-in")
		return
	case errors.Is(err, errOperator):
		redirect(w, r, base+"/operator/sign-in")
		return
	case r.Context().Err() != nil:
		return // the visitor has gone
	}
	e := explain(err)
	if e.status >= http.StatusInternalServerError {
		p.config.Logger.Error("portal", "method", r.Method, "path", r.URL.Path, "error", err.Error())
	}
	data := map[string]any{"Title": e.title, "Hint": e.hint, "Status": e.status}
	if r.Header.Get("HX-Request") != "" {
		w.Header().Set("HX-Retarget", "#notice")
		w.Header().Set("HX-Reswap", "innerHTML show:none")
		w.Header().Set("HX-Reselect", "#problem")
		w.Header().Set("HX-Push-Url", "false")
		err = p.fragment(w, e.status, "problem", data)
	} else {
		page := p.page(r, e.title, "")
		page.Data = data
		err = p.render(w, e.status, "error", page)
	}
	if err != nil {
		p.config.Logger.Error("portal: error page", "error", err.Error())
		http.Error(w, e.title, e.status)
	}
}

// redirect sends the browser on; htmx must be told in a header, or it would swap the
// other page in as a fragment.
func redirect(w http.ResponseWriter, r *http.Request, to string) {
	if r.Header.Get("HX-Request") != "" {
		w.Header().Set("HX-Redirect", to)
		w.WriteHeader(http.StatusNoContent)
		return
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}
