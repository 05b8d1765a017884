package api

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/api/internal/problem"
	"github.com/moat-db/moat/internal/apikey"
	"github.com/moat-db/moat/internal/serving"
)

// retryAfter is what a client is told to wait when the database is away.
const retryAfter = time.Second

// describe maps any error to what the client sees. It is the only place that does.
func describe(err error) *problem.Error {
	if p, ok := errors.AsType[*problem.Error](err); ok {
		return p
	}
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok {
		return database(pgErr)
	}
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return problem.New(http.StatusRequestEntityTooLarge, "MOAT111",
			"the request body has more than %d bytes", tooLarge.Limit)
	}
	if refused := tenantRefused(err); refused != nil {
		return refused
	}
	if refused := gateRefused(err); refused != nil {
		return refused
	}
	var unsafe *moat.UnsafeRoleError
	if errors.As(err, &unsafe) || errors.Is(err, moat.ErrObserved) {
		e := problem.New(http.StatusServiceUnavailable, "MOAT131", "the server is not ready")
		e.RetryAfter, e.Cause = retryAfter, err
		return e
	}
	if away(err) {
		return unavailable(err)
	}
	return internal(err, "MOAT500")
}

func tenantRefused(err error) *problem.Error {
	var invalid *moat.InvalidTenantError
	switch {
	case errors.Is(err, moat.ErrNoTree):
		return problem.New(http.StatusBadRequest, "MOAT107", "there is nothing below a tenant to read here")
	case errors.Is(err, moat.ErrNoTenant), errors.Is(err, serving.ErrNoMembers):
		return noTenant()
	case errors.Is(err, serving.ErrChoices):
		return problem.New(http.StatusBadRequest, "MOAT115", "the request chooses two tenants").
			WithHint("Name it once: in %s, the host or the path.", serving.ChoiceHeader)
	case errors.As(err, &invalid), errors.Is(err, serving.ErrUnknownTenant), errors.Is(err, serving.ErrNotMember):
		// Alike, or a stranger could find out who the tenants are.
		e := problem.New(http.StatusForbidden, "MOAT103", "there is no such tenant, or the caller is not its member")
		e.Cause = err
		return e
	case errors.Is(err, serving.ErrSuspended):
		return problem.New(http.StatusForbidden, "MOAT104", "the tenant is suspended")
	}
	return unlisted(err)
}

// noTenant refuses a token that is for no tenant where one is needed.
func noTenant() *problem.Error {
	return problem.New(http.StatusForbidden, "MOAT102", "the token names no tenant").
		WithHint("Name one in %s that the token's subject is a member of; GET /tenants lists them.", serving.ChoiceHeader)
}

func unlisted(err error) *problem.Error {
	var reason *serving.UnlistedError
	if !errors.As(err, &reason) {
		return nil
	}
	return problem.New(http.StatusNotImplemented, "MOAT116", "%s", reason.Error())
}

// gateRefused tells what was too much, or came too slowly.
func gateRefused(err error) *problem.Error {
	var refused *serving.RefusedError
	var tooLarge *serving.TooLargeError
	switch {
	case errors.Is(err, apikey.ErrRate):
		e := problem.New(http.StatusTooManyRequests, "MOAT130", "%s", err.Error())
		e.RetryAfter = time.Second
		return e
	case errors.As(err, &refused):
		e := problem.New(http.StatusTooManyRequests, "MOAT130", "%s", refused.Reason)
		if refused.Busy {
			e = problem.New(http.StatusServiceUnavailable, "PGRST003", "%s", refused.Reason)
		}
		e.RetryAfter = refused.After
		return e
	case errors.As(err, &tooLarge):
		return problem.New(http.StatusRequestEntityTooLarge, "MOAT112", "%s", tooLarge.Error()).
			WithHint("Ask for fewer rows or columns.")
	case errors.Is(err, serving.ErrBodySlow):
		return problem.New(http.StatusRequestTimeout, "MOAT113", "the request body did not come in time")
	case errors.Is(err, serving.ErrBodyEncoding):
		return problem.New(http.StatusUnsupportedMediaType, "MOAT114", "Content-Encoding not acceptable").
			WithHint("Send the body as it is, or with gzip.")
	case errors.Is(err, serving.ErrBodyUnread):
		return problem.New(http.StatusBadRequest, "PGRST102", "the request body could not be read")
	}
	return nil
}

// away reports whether the database could not be reached, or went away.
func away(err error) bool {
	var connect *pgconn.ConnectError
	var network net.Error
	return errors.As(err, &connect) || errors.As(err, &network) || errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, net.ErrClosed) || pgconn.SafeToRetry(err) || pgconn.Timeout(err) || connectionLost(err)
}

// connectionLost recognises a connection that broke under a statement; pgx wraps
// io errors without a type of their own.
func connectionLost(err error) bool {
	for e := err; e != nil; e = errors.Unwrap(e) {
		if s := e.Error(); s == "EOF" || s == "unexpected EOF" || s == "conn closed" || s == "closed pool" {
			return true
		}
	}
	return errors.Is(err, pgx.ErrTxClosed)
}

func unavailable(err error) *problem.Error {
	e := problem.New(http.StatusServiceUnavailable, "PGRST001", "Database connection error. Retrying the connection.")
	e.RetryAfter, e.Cause = retryAfter, err
	return e
}

func internal(err error, code string) *problem.Error {
	e := problem.New(http.StatusInternalServerError, code, "internal error")
	e.Cause = err
	return e
}

// database maps PostgreSQL's errors.
func database(err *pgconn.PgError) *problem.Error {
	if number, isStatus := strings.CutPrefix(err.Code, "PT"); isStatus {
		status, bad := strconv.Atoi(number)
		if bad != nil || status < 200 || status > 599 {
			status = http.StatusInternalServerError
		}
		return fromDatabase(status, err)
	}
	if err.Code == "PGRST" {
		return raised(err)
	}
	status := statusOf(err)
	switch {
	case status == http.StatusServiceUnavailable:
		e := problem.New(status, err.Code, "the database is not available at the moment")
		e.RetryAfter, e.Cause = retryAfter, err
		return e
	case status == http.StatusGatewayTimeout:
		e := problem.New(status, err.Code, "the statement took too long and was cancelled")
		e.Cause = err
		return e
	case status >= http.StatusInternalServerError && !tellable(err):
		return internal(err, err.Code)
	}
	return fromDatabase(status, err)
}

func fromDatabase(status int, err *pgconn.PgError) *problem.Error {
	e := problem.New(status, err.Code, "%s", err.Message)
	if err.Detail != "" {
		e.Details = err.Detail
	}
	e.Hint = problem.Text(err.Hint)
	e.Cause = err
	return e
}

// tellable reports whether the message of a server's error is PostgreSQL's about a limit of
// its own, which names nothing of the database.
func tellable(err *pgconn.PgError) bool {
	return err.Code == "53400" || err.Code == "54001"
}

// statusOf maps a SQLSTATE to a status, after PostgREST's table with these
// differences: a timeout is 504, a conflict between transactions 503 (both may be
// tried again), and what depends on the client's text alone is 400.
func statusOf(err *pgconn.PgError) int {
	switch err.Code {
	case "23503", "23505", "23P01":
		return http.StatusConflict
	case "25006":
		return http.StatusMethodNotAllowed
	case "42883", "42P01":
		return http.StatusNotFound
	case "42501":
		return http.StatusForbidden
	case "57014":
		return http.StatusGatewayTimeout
	case "P0001", "55000", "2BP01":
		return http.StatusBadRequest
	case "21000": // rows of an upsert that are the same one are the client's, and what pg-safeupdate refuses
		if err.Routine == "ExecOnConflictUpdate" || err.Routine == "delete_needs_where_check" {
			return http.StatusBadRequest
		}
		return http.StatusInternalServerError
	case "42P17", "53400", "54001":
		return http.StatusInternalServerError
	case "55P03":
		return http.StatusServiceUnavailable
	}
	switch err.Code[:min(2, len(err.Code))] {
	case "08", "53", "57", "40":
		return http.StatusServiceUnavailable
	case "28", "0L", "0P":
		return http.StatusForbidden
	case "54":
		return http.StatusRequestEntityTooLarge
	case "09", "25", "2D", "38", "39", "3B", "58", "F0", "HV", "XX", "P0", "55":
		return http.StatusInternalServerError
	}
	return http.StatusBadRequest
}

const detailKeys = "DETAIL must be a JSON object with obligatory keys: 'status', 'headers' and optional key: " +
	"'status_text'."

func badRaise(details string) *problem.Error {
	return problem.New(http.StatusInternalServerError, "PGRST121",
		"Could not parse JSON in the \"RAISE SQLSTATE 'PGRST'\" error").WithDetails("%s", details)
}

// raised reads RAISE SQLSTATE 'PGRST': the message is the error and the detail the
// status and headers, both as JSON.
func raised(err *pgconn.PgError) *problem.Error {
	var body struct {
		Code, Message string
		Details, Hint *string
	}
	var detail struct {
		Status  int
		Headers map[string]string
	}
	switch {
	case json.Unmarshal([]byte(err.Message), &body) != nil || body.Code == "":
		return badRaise("Invalid JSON value for MESSAGE: '" + err.Message + "'").
			WithHint("MESSAGE must be a JSON object with obligatory keys: 'code', 'message' and optional keys: " +
				"'details', 'hint'.")
	case err.Detail == "":
		return badRaise("DETAIL is missing in the RAISE statement").WithHint("%s", detailKeys)
	case json.Unmarshal([]byte(err.Detail), &detail) != nil || detail.Status < 200 || detail.Status > 599:
		return badRaise("Invalid JSON value for DETAIL: '"+err.Detail+"'").WithHint("%s", detailKeys)
	}
	e := problem.New(detail.Status, body.Code, "%s", body.Message)
	if body.Details != nil {
		e.Details = *body.Details
	}
	if body.Hint != nil {
		e.Hint = problem.Text(*body.Hint)
	}
	e.Header = http.Header{}
	for name, value := range detail.Headers {
		if sendable(name) {
			e.Header.Set(name, value)
		}
	}
	return e
}

// writeError answers with a problem. Proxy-Status names the code for what stands in between
// (RFC 9209, 2.1.1); the codes are PostgREST's, and so is the name.
func (h *Handler) writeError(w http.ResponseWriter, r *http.Request, e *problem.Error) {
	header := w.Header()
	for name, values := range e.Header {
		header[name] = values
	}
	header.Set("Content-Type", "application/json; charset=utf-8")
	header.Set("Cache-Control", "no-store")
	if problem.IsToken(e.Code) {
		header.Set("Proxy-Status", "PostgREST; error="+e.Code)
	}
	if e.RetryAfter > 0 {
		header.Set("Retry-After", strconv.Itoa(int((e.RetryAfter+time.Second-1)/time.Second)))
	}
	body := e.Body(h.config.BriefErrors)
	header.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(e.Status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the client may have gone
	}
}
