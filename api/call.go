package api

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/moat-db/moat/api/internal/plan"
	"github.com/moat-db/moat/api/internal/problem"
	"github.com/moat-db/moat/api/internal/query"
	"github.com/moat-db/moat/api/internal/schema"
)

// call answers a request for a function.
func (h *Handler) call(w http.ResponseWriter, q *request, name string) error {
	full := schema.Name{Schema: q.profile, Name: name}
	if q.own != nil {
		return errCallBelow()
	}
	overloads := q.state.Functions[full]
	if len(overloads) > 0 {
		q.info.target = "rpc/" + name
	}
	switch q.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost:
	case http.MethodOptions:
		w.Header().Set("Allow", allowedCalls(overloads))
		return nil
	default:
		return problem.New(http.StatusMethodNotAllowed, "PGRST101", "Cannot use the %s method on RPC", q.Method)
	}
	r, err := q.parse(query.Options{Argument: q.argument(overloads)})
	if err != nil {
		return err
	}
	call, arguments, kind, err := q.arguments(r)
	if err != nil {
		return err
	}
	f, err := plan.Resolve(q.state.Schema, full, arguments, kind)
	if err != nil {
		return err
	}
	return q.callFunction(w, f, r, call)
}

// allowedCalls leaves out GET where a function may change something. It is answered all
// the same, in a read-only transaction.
func allowedCalls(overloads []*schema.Function) string {
	if len(overloads) > 0 && !slices.ContainsFunc(overloads, func(f *schema.Function) bool { return !f.Volatile }) {
		return "OPTIONS,POST"
	}
	return "OPTIONS,GET,HEAD,POST"
}

// argument decides which parameters of the URL are arguments: with GET those that a
// function has, unless they read as a filter on a column of its result.
func (q *request) argument(overloads []*schema.Function) func(string, string) bool {
	get := safe(q.Method)
	return func(name, value string) bool {
		if !get {
			return false
		}
		known, column := false, false
		for _, f := range overloads {
			known = known || f.Param(name) != nil
			column = column || f.ResultColumn(name)
		}
		if known {
			return !(column && looksLikeFilter(value))
		}
		return !column && !looksLikeFilter(value) && !reserved(name)
	}
}

func reserved(name string) bool {
	last := name[strings.LastIndexByte(name, '.')+1:]
	return slices.Contains([]string{"order", "limit", "offset", "and", "or"}, last)
}

func looksLikeFilter(value string) bool {
	_, err := query.Parse("x="+url.QueryEscape(value), query.Options{})
	return err == nil
}

// arguments reads the arguments of a call, their names, and the kind of the body.
func (q *request) arguments(r *query.Request) (plan.Call, []string, string, error) {
	if safe(q.Method) {
		return plan.Call{}, argumentNames(r), "", nil
	}
	contentType, text := q.contentType(), q.body()
	switch contentType {
	case "text/plain":
		return plan.Call{Body: text}, nil, "text", nil
	case "text/xml", "application/xml":
		return plan.Call{Body: text}, nil, "xml", nil
	case "application/octet-stream":
		return plan.Call{Body: hexBytes(text)}, nil, "bytea", nil
	case "application/x-www-form-urlencoded":
		// As in a URL: a variadic argument may come several times.
		values, err := formArguments(text)
		r.Arguments = values
		return plan.Call{}, argumentNames(r), "", err
	case "text/csv":
		rows, err := csvPayload(text)
		if err != nil {
			return plan.Call{}, nil, "", err
		}
		call, names, _, err := jsonArguments(rows.text, r)
		return call, names, "", err
	case "application/json":
		return jsonArguments(text, r)
	}
	return plan.Call{}, nil, "", errBody("Content-Type not acceptable: %s", contentType)
}

func argumentNames(r *query.Request) []string {
	var names []string
	for _, a := range r.Arguments {
		if !slices.Contains(names, a.Name) {
			names = append(names, a.Name)
		}
	}
	return names
}

func formArguments(text []byte) ([]query.Argument, error) {
	values, err := url.ParseQuery(string(text))
	if err != nil {
		return nil, errBody("the form could not be read")
	}
	var out []query.Argument
	for _, name := range slices.Sorted(maps.Keys(values)) {
		for _, value := range values[name] {
			out = append(out, query.Argument{Name: name, Value: value})
		}
	}
	return out, nil
}

func jsonArguments(text []byte, r *query.Request) (plan.Call, []string, string, error) {
	text = bytes.TrimSpace(text)
	if len(text) == 0 {
		text = []byte("{}")
	}
	if !json.Valid(text) {
		return plan.Call{}, nil, "", errBody("Empty or invalid json")
	}
	first := text
	if text[0] == '[' { // the first of several objects, unless one unnamed parameter takes them all
		var objects []json.RawMessage
		if json.Unmarshal(text, &objects) == nil && len(objects) > 0 {
			first = objects[0]
		}
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(first, &object) != nil || object == nil {
		// Only a function with one unnamed parameter takes something else.
		return plan.Call{Body: text}, []string{""}, "json", nil
	}
	keys := slices.Sorted(maps.Keys(object))
	if r.Columns != nil {
		keys = r.Columns
	}
	return plan.Call{Body: text, First: first, Keys: keys}, keys, "json", nil
}

func hexBytes(text []byte) []byte {
	out := make([]byte, 0, 2+2*len(text))
	out = append(out, '\\', 'x')
	for _, c := range text {
		out = append(out, hexDigits[c>>4], hexDigits[c&15])
	}
	return out
}

func (q *request) callFunction(w http.ResponseWriter, f *schema.Function, r *query.Request, c plan.Call) error {
	if q.prefer.MaxAffected != nil && q.prefer.Handling == "strict" && !f.Set {
		return problem.New(http.StatusBadRequest, "PGRST128",
			"Function must return SETOF or TABLE when max-affected preference is used with handling=strict")
	}
	media, err := q.acceptCall(f)
	if err != nil {
		return err
	}
	if err := q.ranged(r); err != nil {
		return err
	}
	st, err := plan.Function(q.state.Schema, f, r, c, q.optionsOf(f.Table, media))
	if err != nil {
		return err
	}
	if isPlan(media) {
		return q.explain(w, st, media)
	}
	a := &answer{}
	if err := q.runCall(f, st, media, a); err != nil {
		return err
	}
	h := w.Header()
	q.applied(h, "count", "tx", "max-affected", "handling", "timezone")
	if st.Void {
		q.write(w, http.StatusNoContent, "", a)
		return nil
	}
	if !f.Set { // what is no set is one row, also where it is null
		a.rows, a.total = 1, min(a.total, -1)
		if q.prefer.Count == "exact" {
			a.total = 1
		}
	}
	status, err := contentRange(h, st, a)
	if err != nil {
		return err
	}
	if err := q.nextCursor(h, st, a); err != nil {
		return err
	}
	q.write(w, status, media.ContentType(), a)
	return nil
}

// runCall runs the call. Only a volatile function can have something to undo.
func (q *request) runCall(f *schema.Function, st *plan.Statement, media query.Media, a *answer) error {
	x := &execution{statement: st, media: media, response: true, readOnly: safe(q.Method), timeout: f.Timeout}
	changes := f.Volatile && !x.readOnly
	if own := f.Lasts(); own > 0 {
		defer q.lasts(own)()
	}
	singular := media.Format == query.Singular && !st.Scalar
	limited := changes && f.Set && q.prefer.MaxAffected != nil && q.prefer.Handling == "strict"
	rollback := changes && q.prefer.Tx == "rollback" && q.h.config.AllowRollback
	if !limited && !rollback && !(singular && changes) {
		if err := q.run(x, a, nil); err != nil {
			return err
		}
		return checkSingular(singular, a)
	}
	return q.run(x, a, q.verdict(limited, singular, rollback))
}

// lasts gives a request so much longer, until the returned function is called.
func (q *request) lasts(longer time.Duration) func() {
	before := q.Request
	ctx, cancel := context.WithTimeout(context.WithoutCancel(q.Context()), q.h.config.Limits.Timeout+longer)
	q.Request = q.WithContext(ctx)
	return func() {
		cancel()
		q.Request = before
	}
}

// acceptCall negotiates the format: text and bytes are for scalar results.
func (q *request) acceptCall(f *schema.Function) (query.Media, error) {
	return query.Accept(q.Header["Accept"], query.Offer{Made: q.madeCall(f), Format: func(format query.Format) bool {
		switch format {
		case query.JSON, query.Singular, query.CSV:
			return true
		case query.Text, query.Bytes:
			return !f.Composite && !f.Set
		case query.PlanText, query.PlanJSON:
			return q.h.config.AllowExplain
		}
		return false
	}})
}

// madeCall offers the type that a scalar result is made for, or what is made of rows.
func (q *request) madeCall(f *schema.Function) func(string) (query.Media, bool) {
	switch {
	case f.Media != "":
		return func(name string) (query.Media, bool) {
			own := f.Media == schema.AnyMedia || f.Media == name
			return query.Media{Format: query.Made, Type: f.Media, Raw: f.Bytes}, own
		}
	case f.Table != nil:
		return q.made(f.Table)
	}
	return nil
}
