package api

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/api/internal/plan"
	"github.com/moat-db/moat/api/internal/problem"
	"github.com/moat-db/moat/api/internal/query"
	"github.com/moat-db/moat/api/internal/schema"
	"github.com/moat-db/moat/auth"
	"github.com/moat-db/moat/internal/guard"
	"github.com/moat-db/moat/internal/serving"
	"github.com/moat-db/moat/internal/standing"
)

// request is one request: who asks, in which schema, and what he prefers.
type request struct {
	*http.Request
	h        *Handler
	state    *state
	own      *state // of one tenant, where state is of those below it as well
	scope    moat.Scope
	caller   serving.Caller
	profile  string
	prefer   *query.Prefer
	info     *requestInfo
	exchange *serving.Exchange
	asked    bool // whether the caller may come in
	// reader is the replica that was read; home says that it failed, and reads go to the primary.
	reader *moat.DB
	home   bool
	// warning is what the client is told beside the answer.
	warning string
}

// open checks the caller's tenant, reads the headers and waits for a turn.
func (h *Handler) open(r *http.Request) (*request, error) {
	q := &request{Request: r, h: h, state: h.schema.Load(), info: infoOf(r)}
	identity, found := auth.FromContext(r.Context())
	if !found {
		return nil, problem.New(http.StatusUnauthorized, "PGRST302", "Anonymous access is disabled")
	}
	var err error
	if q.profile, err = q.schemaProfile(); err != nil {
		return nil, err
	}
	if q.prefer, err = query.ParsePrefer(r.Header["Prefer"]); err != nil {
		return nil, err
	}
	q.exchange = h.config.Gate.ExchangeOf(r)
	if err := q.exchange.Turn(r.Context()); err != nil {
		return nil, err
	}
	if err = q.speak(identity); err == nil {
		err = q.admit()
	}
	if err != nil {
		q.close()
		return nil, err
	}
	q.info.timing.mark(phaseAdmission)
	return q, nil
}

func (q *request) close() { q.exchange.Leave() }

// speak finds out for which tenant the request is.
func (q *request) speak(identity auth.Identity) error {
	choices, err := q.h.config.From.Choices(q.Request)
	if err == nil {
		q.caller, err = q.h.config.Door.Speak(q.Context(), q.state.check, identity, choices)
	}
	q.scope = q.caller.Scope
	return err
}

type bodyKey struct{}

// arrive gives the request to its tenant and reads its body, both before it waits for a
// turn: a body takes as long as its client does.
func (h *Handler) arrive(r *http.Request) ([]byte, error) {
	identity, _ := auth.FromContext(r.Context())
	infoOf(r).tenant = string(identity.Tenant)
	choices, err := h.config.From.Choices(r)
	if err != nil {
		return nil, err
	}
	x := h.config.Gate.ExchangeOf(r)
	if err := x.Arrive(r.Context(), h.config.Door.Lane(h.schema.Load().check, identity, choices)); err != nil {
		return nil, err
	}
	switch r.Method {
	case http.MethodPost, http.MethodPut, http.MethodPatch:
		return x.Body(r, h.config.Limits.BodyBytes)
	}
	return nil, nil
}

// admit prepares the scope of a caller of whom the first statement asks whether it may act:
// its tenant known and not suspended, it a member.
func (q *request) admit() error {
	if q.scope.Tenant == "" {
		if width, err := q.width(); err != nil || width != moat.Own || q.h.config.Shared == nil {
			return cmp.Or(err, error(noTenant()))
		}
		return nil
	}
	scope, err := q.h.config.Door.Presume(q.Context(), q.state.check, q.caller)
	if err != nil {
		return err
	}
	q.scope = scope
	if err := q.widen(); err != nil {
		return err
	}
	q.bind(q.scope)
	return nil
}

// ask asks whether the caller may come in where no statement is sent that would say so,
// or where one has said no.
func (q *request) ask() error {
	q.asked = true
	if q.scope.Tenant == "" {
		return nil
	}
	defer q.info.timing.mark(phaseTransaction)
	verdict, err := q.h.config.Door.Ask(q.Context(), q.state.check, q.caller)
	if err != nil {
		return err
	}
	scope, err := verdict.Admit(q.caller.Scope)
	if err != nil {
		return err
	}
	q.bind(scope)
	return nil
}

// bind has the statements of the request run in a scope, in the width that it has.
func (q *request) bind(scope moat.Scope) {
	q.caller.Scope, q.info.tenant = scope, string(scope.Tenant)
	scope.Width = q.scope.Width
	q.scope = scope
	q.Request = q.WithContext(moat.WithScope(q.Context(), scope))
}

// schemaProfile is the schema that Accept-Profile or Content-Profile names.
func (q *request) schemaProfile() (string, error) {
	header := "Accept-Profile"
	if !safe(q.Method) {
		header = "Content-Profile"
	}
	name := q.Header.Get(header)
	if name == "" {
		return q.state.Schemas[0], nil
	}
	for _, s := range q.state.Schemas {
		if s == name {
			return s, nil
		}
	}
	if name == "public" {
		// supabase-js names public with every request unless told otherwise. Where that
		// schema is not exposed it can only mean the default one.
		return q.state.Schemas[0], nil
	}
	return "", problem.New(http.StatusNotAcceptable, "PGRST106", "Invalid schema: %s", name).
		WithHint("Only the following schemas are exposed: %s", strings.Join(q.state.Schemas, ", "))
}

// options are the plan's options for this request.
func (q *request) options(m query.Media) plan.Options {
	return plan.Options{
		Tenant: q.scope.Tenant != "", MaxRows: q.h.config.Limits.MaxRows, Count: q.prefer.Count,
		Text:       slices.Contains([]query.Format{query.CSV, query.Text, query.Bytes, query.Made}, m.Rows()),
		Stripped:   m.Stripped,
		Aggregates: q.h.config.AllowAggregates,
	}
}

// optionsOf are those for an answer that is made of a table's rows.
func (q *request) optionsOf(t *schema.Table, m query.Media) plan.Options {
	o := q.options(m)
	if m.Rows() == query.Made && t != nil {
		o.Media = q.state.Handler(t, m.Type)
	}
	return o
}

// sender is what runs the statement of this caller: for reads a replica, where one is fresh
// enough.
func (q *request) sender(x *execution) Sender {
	if q.scope.Tenant == "" {
		return q.h.config.Shared
	}
	if q.home || !x.readOnly && !safe(q.Method) {
		return q.h.config.DB
	}
	db := q.h.config.DB.Reader(q.Context())
	if db != q.h.config.DB {
		q.reader = db
	}
	return db
}

// run executes a statement in one round trip, or, when the result decides whether it
// may stand, in a transaction that keep can refuse.
func (q *request) run(x *execution, a *answer, keep func(*answer) error) error {
	x.preludes, x.tenant = q.preludes(x), string(q.scope.Tenant)
	x.limit, x.take = q.h.config.Limits.ResponseBytes, q.exchange.Take
	empty := *a
	q.info.timing.mark(phasePlan)
	q.asked = true
	done := q.atDatabase()
	err := q.attempt(x, a, keep)
	if refused := (*guard.RefusedError)(nil); errors.As(err, &refused) {
		if err = q.ask(); err == nil { // it has changed meanwhile, or the role has
			*a, x.preludes = empty, q.preludes(x)
			err = q.attempt(x, a, keep)
		}
	}
	if !q.home && moat.LostReplica(err) && q.reader != nil {
		q.home, *a = true, empty
		err = q.attempt(x, a, keep)
	}
	// A changed column type makes each connection's prepared statement fail once. It
	// failed as a whole, so it may be sent again.
	for range stalePlans {
		if !stalePlan(err) {
			break
		}
		*a = empty
		err = q.attempt(x, a, keep)
	}
	if readOnly(err) && !x.readOnly {
		err = errStandby(err)
	}
	done(a, err)
	q.info.timing.mark(phaseTransaction)
	if q.state.Veiled {
		return veiled(err)
	}
	return err
}

// stalePlans is how many connections with an outdated statement one request meets at
// most: the pool hands out the one that was just given back.
const stalePlans = 4

func (q *request) attempt(x *execution, a *answer, keep func(*answer) error) error {
	if keep == nil {
		return x.send(q.guarded(), q.sender(x), a)
	}
	if q.scope.Tenant == "" {
		return noTenant()
	}
	err := q.h.config.DB.InTx(q.guarded(), func(tx pgx.Tx) error {
		if err := x.send(q.Context(), tx, a); err != nil {
			return err
		}
		err := keep(a)
		if err == errRollback { // what a commit would have refused is refused
			_, err = tx.Exec(q.Context(), "set constraints all immediate")
			err = cmp.Or(err, error(errRollback))
		}
		return err
	})
	if err == errRollback {
		return nil
	}
	return err
}

// guarded has what binds the tenant ask whether the caller may come in.
func (q *request) guarded() context.Context {
	if q.scope.Tenant == "" {
		return q.Context()
	}
	return guard.With(q.Context(), q.state.check.Guard(q.caller))
}

// stalePlan recognises PostgreSQL's "cached plan must not change result type". Its
// code alone also means features that are not supported.
func stalePlan(err error) bool {
	var pgErr *pgconn.PgError
	return errors.As(err, &pgErr) && pgErr.Code == "0A000" && pgErr.Routine == "RevalidateCachedQuery"
}

// errRollback undoes a transaction whose answer is given anyway.
var errRollback = problem.New(http.StatusOK, "", "rolled back on request")

// forFunctions lets functions find what is in the exposed schema, as PostgREST does, with
// the role's own path behind it; and hides what one of another request has left for the
// session, which may be another tenant's.
const forFunctions = "select pg_catalog.set_config('search_path', pg_catalog.concat_ws(', ', $1::text, " +
	"nullif(pg_catalog.current_setting('search_path'), '')), true), " +
	"pg_catalog.set_config('response.status', '', true), pg_catalog.set_config('response.headers', '', true)"

// preludes are the statements that come before the main one.
func (q *request) preludes(x *execution) []prelude {
	var out []prelude
	if sql := q.state.check.LimitSQL(); sql != "" && q.scope.Tenant != "" && q.exchange.AsksLimit() {
		out = append(out, prelude{sql: sql, args: []any{string(q.scope.Tenant)}, read: q.limit})
	}
	if x.response {
		out = append(out, prelude{sql: forFunctions, args: []any{q.searchPath()}})
	}
	if q.prefer.Timezone != "" {
		out = append(out, prelude{sql: "select pg_catalog.set_config('timezone', $1, true)", args: []any{q.prefer.Timezone}})
	}
	if q.h.config.RequestSettings {
		out = append(out, prelude{
			sql: "select pg_catalog.set_config('request.method', $1, true), pg_catalog.set_config('request.path', $2, true), " +
				"pg_catalog.set_config('request.headers', $3, true), pg_catalog.set_config('request.cookies', $4, true)",
			args: []any{q.Method, strings.TrimPrefix(q.URL.Path, q.h.config.Base), headersForDatabase(q.Header),
				cookiesForDatabase(q.Request)},
		})
	}
	if f := q.h.config.PreRequest; f.Name != "" {
		out = append(out, prelude{sql: "select " + pgx.Identifier{f.Schema, f.Name}.Sanitize() + "()", slow: true})
	}
	if x.timeout != "" { // the function's own clause comes too late for the statement that calls it
		out = append(out, prelude{sql: "select pg_catalog.set_config('statement_timeout', $1, true)", args: []any{x.timeout}})
	}
	if x.readOnly { // once a statement has run there is no way back
		out = append(out, prelude{sql: "select pg_catalog.set_config('transaction_read_only', 'on', true)"})
	}
	return out
}

// limit takes the limits of the request's tenant, for those that follow.
func (q *request) limit(row pgx.Row) error {
	var own standing.Limit
	err := own.Scan(row)
	if err == nil {
		q.exchange.Limit(own)
	}
	return err
}

// searchPath is the exposed schema, and the configured ones behind it.
func (q *request) searchPath() string {
	path := pgx.Identifier{q.profile}.Sanitize()
	for _, name := range q.h.config.SearchPath {
		path += ", " + pgx.Identifier{name}.Sanitize()
	}
	return path
}

// cookiesForDatabase are the cookies of a request but moat's own, which hold sessions of the
// portal.
func cookiesForDatabase(r *http.Request) string {
	out := map[string]string{}
	for _, c := range r.Cookies() {
		if !ownCookie(c.Name) {
			out[c.Name] = c.Value
		}
	}
	return jsonOf(out)
}

// ownCookie reports whether a cookie is moat's, with or without a browser's prefix.
func ownCookie(name string) bool {
	name = strings.TrimPrefix(strings.TrimPrefix(name, "__Host-"), "__Secure-")
	return strings.HasPrefix(name, "moat")
}

// headersForDatabase leaves out what holds a credential.
func headersForDatabase(h http.Header) string {
	out := map[string]string{}
	for name, values := range h {
		switch name {
		case "Authorization", "Cookie", "Apikey", "Proxy-Authorization":
			continue
		}
		out[strings.ToLower(name)] = strings.Join(values, ", ")
	}
	return jsonOf(out)
}

func jsonOf(texts map[string]string) string {
	text, err := json.Marshal(texts)
	if err != nil { // strings marshal
		return "{}"
	}
	return string(text)
}
