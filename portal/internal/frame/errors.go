package frame

import (
	"context"
	"errors"
	"net/http"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/serving"
)

// Refusal is an error that its page explains.
type Refusal struct {
	Status      int
	Title, Hint string
}

func (e *Refusal) Error() string { return e.Title }

// Elsewhere is an error that sends the visitor to another page.
type Elsewhere string

func (e Elsewhere) Error() string { return "see " + string(e) }

// What more than one room refuses.
var (
	ErrNotFound = &Refusal{http.StatusNotFound, "Page not found",
		"This page does not exist, or you do not have access to it."}
	ErrSlow = &Refusal{http.StatusServiceUnavailable, "This took too long",
		"It was stopped. Try a shorter period, one more filter or a longer search term."}

	errForeign = &Refusal{http.StatusForbidden, "This form was sent from another site",
		"Open the portal itself and try again."}
	errOurs = &Refusal{http.StatusInternalServerError, "Something went wrong",
		"The problem is on our side, and nothing was changed. Try again in a moment. " +
			"If it happens again, tell your agency what time it was."}
)

// Explain is the one place where an error becomes a status and words. What a database
// says stays in the log: it may name what is not the visitor's.
func Explain(err error) *Refusal {
	if known, ok := errors.AsType[*Refusal](err); ok {
		return known
	}
	if refused := explainLimit(err); refused != nil {
		return refused
	}
	var pg *pgconn.PgError
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return ErrNotFound
	case errors.Is(err, serving.ErrSuspended):
		return &Refusal{http.StatusForbidden, "This account is suspended",
			"Your data is safe, but you cannot open it for now. Ask your agency."}
	case errors.Is(err, serving.ErrUnknownTenant), errors.Is(err, serving.ErrNotMember):
		return &Refusal{http.StatusForbidden, "You have no access to this account",
			"It does not exist, or you are not one of its members. Ask your agency."}
	case errors.Is(err, serving.ErrChoices):
		return &Refusal{http.StatusBadRequest, "This address is for another account",
			"Go to the address of your own, or choose it again."}
	case errors.Is(err, moat.ErrNoTenant), errors.Is(err, serving.ErrNoMembers),
		errors.As(err, new(*moat.InvalidTenantError)):
		return &Refusal{http.StatusForbidden, "Your sign-in is not for any account",
			"Ask your agency for a new token."}
	case errors.Is(err, context.DeadlineExceeded):
		return ErrSlow
	case errors.As(err, &pg):
		return explainPg(pg)
	}
	return errOurs
}

// explainLimit explains what was too much, or came too slowly.
func explainLimit(err error) *Refusal {
	switch {
	case errors.As(err, new(*serving.TooLargeError)):
		return &Refusal{http.StatusRequestEntityTooLarge, "This is too much for one file or page",
			"Filter the list, or choose fewer columns, and export it in parts."}
	case errors.As(err, new(*http.MaxBytesError)):
		return &Refusal{http.StatusRequestEntityTooLarge, "What you sent is too long", "Shorten it and try again."}
	case errors.Is(err, serving.ErrBodySlow):
		return &Refusal{http.StatusRequestTimeout, "What you sent did not arrive in time", "Try again."}
	case errors.Is(err, serving.ErrBodyUnread), errors.Is(err, serving.ErrBodyEncoding):
		return &Refusal{http.StatusBadRequest, "What you sent could not be read", "Go back and try again."}
	}
	var refused *serving.RefusedError
	switch {
	case !errors.As(err, &refused):
		return nil
	case refused.Busy:
		return &Refusal{http.StatusServiceUnavailable, "The server is busy", "Try again in a moment."}
	}
	return &Refusal{http.StatusTooManyRequests, "Too many requests at once", "Try again in a moment."}
}

func explainPg(pg *pgconn.PgError) *Refusal {
	switch pg.Code {
	case "57014":
		return ErrSlow
	case "42501":
		return &Refusal{http.StatusForbidden, "You cannot do this", "Your account does not have permission."}
	case "22P02", "22003", "22007", "22008", "22023":
		return &Refusal{http.StatusBadRequest, "A value in the address is not valid",
			"Go back and choose the filter again."}
	case "53300", "57P03":
		return &Refusal{http.StatusServiceUnavailable, "The database is busy", "Try again in a moment."}
	}
	return errOurs
}

// statusGone is what is noted of a visitor who has gone; nobody sees it.
const statusGone = 499

// NoKeys tells whoever signs in that nobody can check tokens yet: theirs may be good.
const NoKeys = "Tokens cannot be checked at the moment. Yours may be fine: try again in a minute."

var errNoWrites = &Refusal{http.StatusConflict, "Nothing can be changed at the moment",
	"The database takes no writes: it is a standby, or set to read only."}

// fail answers with what became of an error: another page, or its explanation.
func (f *Frame) fail(w http.ResponseWriter, r *http.Request, err error) {
	var elsewhere Elsewhere
	switch {
	case errors.As(err, &elsewhere):
		Redirect(w, r, string(elsewhere))
		return
	case r.Context().Err() != nil:
		w.WriteHeader(statusGone)
		return
	}
	e := Explain(err)
	if pg := (*pgconn.PgError)(nil); r.Method == http.MethodPost && errors.As(err, &pg) && pg.Code == "25006" {
		e = errNoWrites // a page that is only read is not to write, whatever the schema does
	}
	if e.Status == http.StatusTooManyRequests || e.Status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	if e.Status >= http.StatusInternalServerError {
		f.Logger.Error("portal", "method", r.Method, "path", r.URL.Path, "error", serving.Cause(err))
	}
	if r.Header.Get("HX-Request") != "" {
		w.Header().Set("HX-Retarget", "#notice")
		w.Header().Set("HX-Reswap", "innerHTML show:none")
		w.Header().Set("HX-Reselect", "#problem")
		w.Header().Set("HX-Push-Url", "false")
		err = f.views.Fragment(w, e.Status, "problem", e)
	} else {
		page := f.Page(r, e.Title)
		page.Data = e
		err = f.views.Render(w, e.Status, "error", page)
	}
	if err != nil {
		f.Logger.Error("portal: error page", "error", serving.Cause(err))
		http.Error(w, e.Title, e.Status)
	}
}

// Redirect sends the browser on; htmx must be told in a header, or it would swap the
// other page in as a fragment.
func Redirect(w http.ResponseWriter, r *http.Request, to string) {
	if r.Header.Get("HX-Request") != "" {
		w.Header().Set("HX-Redirect", to)
		w.WriteHeader(http.StatusNoContent)
		return
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}
