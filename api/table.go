package api

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/moat-db/moat/api/internal/plan"
	"github.com/moat-db/moat/api/internal/problem"
	"github.com/moat-db/moat/api/internal/query"
	"github.com/moat-db/moat/api/internal/schema"
)

// table answers a request for a table or view.
func (h *Handler) table(w http.ResponseWriter, q *request, name string) error {
	t := q.state.Table(q.profile, name)
	if t == nil {
		return q.noTable(name)
	}
	q.info.target = name
	switch q.Method {
	case http.MethodGet, http.MethodHead:
		return q.get(w, t)
	case http.MethodPost:
		return q.post(w, t)
	case http.MethodPut:
		return q.put(w, t)
	case http.MethodPatch:
		return q.patch(w, t)
	case http.MethodDelete:
		return q.delete(w, t)
	case http.MethodOptions:
		w.Header().Set("Allow", "OPTIONS,"+strings.Join(allowed(t), ","))
		return nil
	}
	return errMethod(q.Method)
}

func errMethod(method string) error {
	return problem.New(http.StatusMethodNotAllowed, "PGRST117", "Unsupported HTTP method: %s", method)
}

func allowed(t *schema.Table) []string {
	methods := []string{"GET", "HEAD"}
	if t.Insert {
		methods = append(methods, "POST")
		if t.Update && len(t.Key) > 0 {
			methods = append(methods, "PUT")
		}
	}
	if t.Update {
		methods = append(methods, "PATCH")
	}
	if t.Delete {
		methods = append(methods, "DELETE")
	}
	return methods
}

func (q *request) noTable(name string) error {
	if err := q.notBelow(name); err != nil {
		return err
	}
	e := problem.New(http.StatusNotFound, "PGRST205", "Could not find the table '%s.%s' in the schema cache",
		q.profile, name)
	if similar := schema.Similar(name, q.state.TableNames(q.profile), schema.Close); similar != "" {
		e = e.WithHint("Perhaps you meant the table '%s.%s'", q.profile, similar)
	}
	return e
}

// accept negotiates the format of a table's rows.
func (q *request) accept(t *schema.Table) (query.Media, error) {
	if q.plain(t) {
		return query.Media{}, nil
	}
	return query.Accept(q.Header["Accept"], query.Offer{Made: q.made(t), Format: func(f query.Format) bool {
		switch f {
		case query.JSON, query.Singular, query.CSV:
			return true
		case query.PlanText, query.PlanJSON:
			return q.h.config.AllowExplain
		}
		return false
	}})
}

// plain reports whether the answer is JSON as most clients ask for it, and nothing in the
// database makes another.
func (q *request) plain(t *schema.Table) bool {
	header := q.Header["Accept"]
	if len(header) > 1 || len(header) == 1 && header[0] != schema.AnyMedia && header[0] != "application/json" {
		return false
	}
	return q.state.Handler(t, schema.AnyMedia) == nil && q.state.Handler(t, "application/json") == nil
}

// made offers what aggregates of the database make of a table's rows.
func (q *request) made(t *schema.Table) func(string) (query.Media, bool) {
	return func(name string) (query.Media, bool) {
		m := q.state.Handler(t, name)
		if m == nil && !query.Known(name) {
			m = q.state.Handler(t, schema.AnyMedia)
		}
		if m == nil {
			return query.Media{}, false
		}
		return query.Media{Format: query.Made, Type: m.Type, Raw: m.Bytes}, true
	}
}

func (q *request) parse(o query.Options) (*query.Request, error) {
	defer q.info.timing.mark(phaseParse)
	o.Limits, o.AliasesOnly = q.h.config.Limits.Query, q.h.config.AliasesOnly
	r, err := query.Parse(q.URL.RawQuery, o)
	if err == nil {
		q.warning = r.Warning()
	}
	return r, err
}

func (q *request) get(w http.ResponseWriter, t *schema.Table) error {
	media, err := q.accept(t)
	if err != nil {
		return err
	}
	x, err := q.read(t, media)
	if err != nil {
		return err
	}
	if isPlan(media) {
		return q.explain(w, x.statement, media)
	}
	q.warning = x.statement.Warning
	x.response = q.h.config.PreRequest.Name != "" || len(q.h.config.SearchPath) > 0 || x.statement.Calls
	return q.answerRead(w, x)
}

// ranged applies the Range header, which is for GET only (RFC 9110, 14.2).
func (q *request) ranged(r *query.Request) error {
	if header := q.rangeHeader(); header != "" {
		return query.ApplyRange(&r.Root, header)
	}
	return nil
}

func (q *request) rangeHeader() string {
	if unit := q.Header.Get("Range-Unit"); q.Method != http.MethodGet || (unit != "" && unit != "items") {
		return ""
	}
	return q.Header.Get("Range")
}

// answerRead runs a statement that changes nothing and answers with its rows.
func (q *request) answerRead(w http.ResponseWriter, x *execution) error {
	st, media := x.statement, x.media
	buffer := q.h.buffers.get()
	defer q.h.buffers.put(buffer)
	a := &answer{body: *buffer, total: -1}
	if err := q.run(x, a, nil); err != nil {
		return err
	}
	*buffer = a.body
	// What is sent is another copy, often compressed.
	defer q.exchange.Give(x.taken)
	if media.Format == query.Singular && a.rows != 1 {
		return errSingular(a.rows)
	}
	header := w.Header()
	status, err := contentRange(header, st, a)
	if err != nil {
		return err
	}
	q.located(header)
	if a.etag != "" {
		header.Set("ETag", `"`+a.etag+`"`)
		if matches(q.Header.Get("If-None-Match"), a.etag) {
			w.WriteHeader(http.StatusNotModified)
			return nil
		}
	}
	if err := q.nextCursor(header, st, a); err != nil {
		return err
	}
	q.applied(header, "count", "tx", "timezone", "handling")
	q.write(w, status, media.ContentType(), a)
	return nil
}

// located says where the same rows are found again: at the path with the parameters sorted, as
// PostgREST writes them. A long query is left out, since proxies bound headers to a few kB.
func (q *request) located(h http.Header) {
	const longest = 1024
	if len(q.URL.RawQuery) > longest {
		return
	}
	at := q.URL.EscapedPath()
	if query := q.URL.Query().Encode(); query != "" {
		at += "?" + strings.ReplaceAll(query, "+", "%20")
	}
	h.Set("Content-Location", at)
}

// errSingular is PostgREST's answer to a single object wanted of several rows, or none.
func errSingular(rows int64) error {
	return problem.New(http.StatusNotAcceptable, "PGRST116", "Cannot coerce the result to a single JSON object").
		WithDetails("The result contains %d rows", rows)
}

// contentRange sets the header and returns 200, 206 or 416.
func contentRange(h http.Header, st *plan.Statement, a *answer) (int, error) {
	total := "*"
	if a.total >= 0 {
		total = strconv.FormatInt(a.total, 10)
		if st.Offset > 0 && st.Offset > a.total {
			e := problem.New(http.StatusRequestedRangeNotSatisfiable, "PGRST103", "Requested range not satisfiable").
				WithDetails("An offset of %d was requested, but there are only %d rows.", st.Offset, a.total)
			e.Header = http.Header{"Content-Range": {"*/" + total}}
			return 0, e
		}
	}
	page := "*"
	if a.rows > 0 {
		page = strconv.FormatInt(st.Offset, 10) + "-" + strconv.FormatInt(st.Offset+a.rows-1, 10)
	}
	h.Set("Content-Range", page+"/"+total)
	if a.total >= 0 && a.rows < a.total {
		return http.StatusPartialContent, nil
	}
	return http.StatusOK, nil
}

// nextCursor tells where the next page begins, when this one was full.
func (q *request) nextCursor(h http.Header, st *plan.Statement, a *answer) error {
	if st.Cursor == nil || st.Limit < 0 || a.rows < st.Limit || a.rows == 0 {
		return nil
	}
	cursor, err := st.Cursor.Encode(a.last)
	if err != nil {
		return err
	}
	h.Set("Moat-Next-Cursor", cursor)
	values := q.URL.Query()
	values.Set("after", cursor)
	h.Set("Link", "<"+q.URL.EscapedPath()+"?"+values.Encode()+`>; rel="next"`)
	return nil
}

// matches compares an entity tag with a header's list (RFC 9110, 13.1).
func matches(header, etag string) bool {
	if header == "" {
		return false
	}
	for one := range strings.SplitSeq(header, ",") {
		if one = strings.TrimSpace(one); one == "*" || unquoteTag(one) == etag {
			return true
		}
	}
	return false
}

func unquoteTag(tag string) string {
	return strings.Trim(strings.TrimPrefix(strings.TrimSpace(tag), "W/"), `"`)
}

// applied sets Preference-Applied for those preferences that counted.
func (q *request) applied(h http.Header, names ...string) {
	if text := q.prefer.Applied(func(name string) bool { return slices.Contains(names, name) }); text != "" {
		h.Set("Preference-Applied", text)
	}
}

// write sends the body. A function may have set status and headers.
func (q *request) write(w http.ResponseWriter, status int, contentType string, a *answer) {
	h := w.Header()
	for name, values := range a.header {
		h[http.CanonicalHeaderKey(name)] = values
	}
	if a.status != 0 {
		status = a.status
	}
	if len(q.state.Schemas) > 1 {
		h.Set("Content-Profile", q.profile)
	}
	if q.warning != "" { // RFC 7234, 5.5: of no kind that a cache knows
		h.Set("Warning", "299 moat "+strconv.Quote(q.warning))
	}
	q.info.rows = a.rows
	if contentType != "" && h.Get("Content-Type") == "" {
		h.Set("Content-Type", contentType)
	}
	if a.made {
		sandbox(h)
	}
	if q.Method == http.MethodHead || contentType == "" {
		w.WriteHeader(status)
		return
	}
	h.Set("Content-Length", strconv.Itoa(len(a.body)))
	holdRange(h)
	w.WriteHeader(status)
	_, _ = w.Write(a.body) // the client may have gone
}

// location is the address of an inserted row.
func location(path string, keys []keyValue) string {
	parts := make([]string, len(keys))
	for i, k := range keys {
		parts[i] = url.QueryEscape(k.name) + "=is.null"
		if k.value != nil {
			parts[i] = url.QueryEscape(k.name) + "=eq." + url.QueryEscape(*k.value)
		}
	}
	return path + "?" + strings.Join(parts, "&")
}
