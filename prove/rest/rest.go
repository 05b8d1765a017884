// Package rest attacks an API over HTTP with one tenant's token: it tries to reach another
// tenant's rows by every verb, filter, embed, order, range, header and forged token.
//
// Unless told that the data is disposable, it adds and removes no row. Its limit is what the API
// says of itself: a route that its description leaves out is not tried.
package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/moat-db/moat/prove"
	"github.com/moat-db/moat/tenancy"
)

// Options configure an attack on an API that speaks PostgREST's language.
type Options struct {
	// URL is the root of the API, where it describes itself as OpenAPI. Required.
	URL string
	// TokenA and TokenB are bearer tokens of two tenants. Required.
	TokenA, TokenB string
	// TenantColumn is the column that holds the tenant, as the API shows it. Zero
	// means: the first of the usual names that the tables have.
	TenantColumn string
	// Requests is how many requests are generated beside the fixed ones. Zero means 1,000.
	Requests int
	// Disposable allows requests that would plant or remove rows if they worked.
	Disposable bool
	// Client sends the requests. Zero means one with a timeout of 10 s.
	Client *http.Client
}

// Attack attacks an API with tenant A's token: it finds the tables in the API's own
// description, learns tenant B's rows with B's token, and tries to reach them by
// every verb, filter, embed, order, range, header and forged token.
//
// Without Disposable it sends nothing that would remove or add a row; a PATCH sets a
// value to what it is. It returns an error when the API does not describe itself or
// refuses a token.
func Attack(ctx context.Context, o Options) (*prove.Report, error) {
	if o.URL == "" || o.TokenA == "" || o.TokenB == "" {
		return nil, errors.New("prove an API: a URL and two tokens are required")
	}
	if o.TokenA == o.TokenB {
		return nil, errors.New("prove an API: the two tokens are the same")
	}
	if o.Requests == 0 {
		o.Requests = 1000
	}
	if o.Client == nil {
		o.Client = &http.Client{Timeout: 10 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		}}
	}
	started := time.Now()
	h := &httpAttack{Options: o, report: prove.NewReport()}
	h.URL = strings.TrimRight(o.URL, "/")
	h.report.Context = prove.Context{Mode: "plain", Target: h.URL, Started: started.UTC().Truncate(time.Second)}
	if err := h.discover(ctx); err != nil {
		return nil, err
	}
	if err := h.learn(ctx); err != nil {
		return nil, err
	}
	h.attack(ctx)
	h.report.Context.DurationMS = time.Since(started).Milliseconds()
	return h.report.Finish(), ctx.Err()
}

type httpAttack struct {
	Options
	report    *prove.Report
	tables    []*resource
	functions []function
	tenantA   string
	tenantB   string
	given     map[string]bool // tenants of whom A reads rows in tables that say so
	secrets   map[string]bool // texts of B's rows, looked for in errors
	strong    map[string]bool // B's keys and tenant id, looked for everywhere
}

// resource is one table or view of the API.
type resource struct {
	name    string
	columns []string
	tenant  string // the tenant column, "" where it has none
	key     string // a column that identifies rows
	a, b    []map[string]any
	onlyB   map[string]bool // keys of rows that only B sees
	shared  bool            // both see the same rows
	others  bool            // the description says that tenants read rows of others in it
}

// reply is an answer of the API.
type reply struct {
	status  int
	header  http.Header
	body    []byte
	elapsed time.Duration
}

// rows returns the objects of a JSON answer, nested ones too.
func (r reply) rows() []map[string]any {
	var v any
	d := json.NewDecoder(bytes.NewReader(r.body))
	d.UseNumber()
	if d.Decode(&v) != nil {
		return nil
	}
	return objects(v, nil)
}

func objects(v any, out []map[string]any) []map[string]any {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			out = objects(e, out)
		}
	case map[string]any:
		out = append(out, v)
		for _, e := range v {
			out = objects(e, out)
		}
	}
	return out
}

// call is one request.
type call struct {
	method, path, query string
	token               string
	header              map[string]string
	body                string
}

func (c call) script(base string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "curl -i -X %s '%s'", c.method, base+c.target())
	if c.token != "" {
		b.WriteString(` -H "Authorization: Bearer $TOKEN_A"`)
	}
	for _, name := range slices.Sorted(maps.Keys(c.header)) {
		fmt.Fprintf(&b, " -H '%s: %s'", name, strings.ReplaceAll(c.header[name], "'", `'\''`))
	}
	if c.body != "" {
		fmt.Fprintf(&b, " -d '%s'", strings.ReplaceAll(c.body, "'", `'\''`))
	}
	return b.String()
}

func (c call) target() string {
	if c.query == "" {
		return c.path
	}
	return c.path + "?" + c.query
}

// send makes a request. The Authorization header comes first, so that c.header may
// replace it.
func (h *httpAttack) send(ctx context.Context, c call) (reply, error) {
	var body io.Reader
	if c.body != "" {
		body = strings.NewReader(c.body)
	}
	req, err := http.NewRequestWithContext(ctx, c.method, h.URL+c.target(), body)
	if err != nil {
		return reply{}, err
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	if c.body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for name, value := range c.header {
		req.Header.Set(name, value)
	}
	started := time.Now()
	resp, err := h.Client.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 8<<20))
	return reply{resp.StatusCode, resp.Header, text, time.Since(started)}, err
}

// description is what of Swagger 2.0 or OpenAPI 3 is read.
type description struct {
	Paths       map[string]map[string]json.RawMessage `json:"paths"`
	Definitions map[string]schemaObject               `json:"definitions"`
	Components  struct {
		Schemas map[string]schemaObject `json:"schemas"`
	} `json:"components"`
}

type schemaObject struct {
	Properties map[string]json.RawMessage `json:"properties"`
	Others     bool                       `json:"x-moat-other-tenants"`
}

// discover reads the API's description.
func (h *httpAttack) discover(ctx context.Context) error {
	var d description
	for _, path := range []string{"/", "/rest/v1/", "/openapi.json"} {
		r, err := h.send(ctx, call{method: "GET", path: path, token: h.TokenA,
			header: map[string]string{"Accept": "application/openapi+json, application/json"}})
		if err != nil {
			return fmt.Errorf("read the API's description: %w", err)
		}
		if r.status == http.StatusOK && json.Unmarshal(r.body, &d) == nil && len(d.Paths) > 0 {
			if path == "/rest/v1/" {
				h.URL += "/rest/v1"
			}
			break
		}
	}
	if len(d.Paths) == 0 {
		return fmt.Errorf("%s does not describe itself as OpenAPI", h.URL)
	}
	names := make([]string, 0, len(d.Paths))
	for path := range d.Paths {
		names = append(names, path)
	}
	slices.Sort(names)
	for _, path := range names {
		_, gets := d.Paths[path]["get"]
		name := strings.TrimPrefix(strings.TrimPrefix(path, "/rest/v1"), "/")
		if name == "" || strings.HasPrefix(name, "rpc/") || strings.ContainsAny(name, "{}/") || !gets {
			if strings.HasPrefix(name, "rpc/") {
				h.functions = append(h.functions, described(name, d.Paths[path]))
				h.report.Skip("/" + name + ": generated requests call it by GET; the rest is done through the database")
			}
			continue
		}
		h.tables = append(h.tables, &resource{name: name, columns: d.columns(name), others: d.schema(name).Others,
			onlyB: map[string]bool{}})
	}
	return nil
}

// schema is what the description says of a table.
func (d description) schema(name string) schemaObject {
	if s, ok := d.Definitions[name]; ok {
		return s
	}
	return d.Components.Schemas[name]
}

// columns lists a table's columns in the description.
func (d description) columns(name string) []string {
	s := d.schema(name)
	out := make([]string, 0, len(s.Properties))
	for c := range s.Properties {
		out = append(out, c)
	}
	slices.Sort(out)
	return out
}

// learn reads each table with both tokens.
func (h *httpAttack) learn(ctx context.Context) error {
	h.secrets, h.strong, h.given = map[string]bool{}, map[string]bool{}, map[string]bool{}
	seenByA := map[string]bool{}
	for _, t := range h.tables {
		for _, side := range []struct {
			token string
			rows  *[]map[string]any
		}{{h.TokenA, &t.a}, {h.TokenB, &t.b}} {
			r, err := h.send(ctx, call{method: "GET", path: "/" + t.name, query: "limit=50", token: side.token})
			if err != nil {
				return fmt.Errorf("read %s: %w", t.name, err)
			}
			if r.status == http.StatusUnauthorized {
				return fmt.Errorf("a token is refused on %s (401)", t.name)
			}
			if r.status/100 == 2 {
				*side.rows = topLevel(r)
			}
		}
		h.arrange(t)
		for _, row := range t.a {
			for _, v := range row {
				seenByA[text(v)] = true
			}
		}
	}
	for _, t := range h.tables {
		for _, row := range t.b {
			for _, v := range row {
				if s := text(v); len(s) >= 8 && !seenByA[s] && !t.shared {
					h.secrets[s] = true
				}
			}
			if k := text(row[t.key]); len(k) >= 8 && t.onlyB[k] {
				h.strong[k] = true
			}
		}
		if t.tenant != "" && h.tenantA == "" && len(t.a) > 0 {
			h.tenantA = text(t.a[0][t.tenant])
		}
		if t.tenant != "" && h.tenantB == "" && len(t.b) > 0 {
			h.tenantB = text(t.b[0][t.tenant])
		}
	}
	for _, t := range h.tables {
		for _, row := range t.a {
			if v := text(row[t.tenant]); t.others && v != h.tenantB {
				h.given[v] = true
			}
		}
	}
	if len(h.tenantB) >= 8 {
		h.strong[h.tenantB] = true
	}
	h.report.Context.TenantA, h.report.Context.TenantB = h.tenantA, h.tenantB
	return nil
}

func topLevel(r reply) []map[string]any {
	var rows []map[string]any
	d := json.NewDecoder(bytes.NewReader(r.body))
	d.UseNumber()
	if d.Decode(&rows) != nil {
		return nil
	}
	return rows
}

// arrange finds the tenant column and the key, and which rows only B sees.
func (h *httpAttack) arrange(t *resource) {
	rows := slices.Concat(t.a, t.b)
	if len(t.columns) == 0 && len(rows) > 0 {
		for c := range rows[0] {
			t.columns = append(t.columns, c)
		}
		slices.Sort(t.columns)
	}
	candidates := append(tenancy.UsualColumns(), "organisation_id", "tenant")
	if h.TenantColumn != "" {
		candidates = []string{h.TenantColumn}
	}
	for _, c := range candidates {
		if slices.Contains(t.columns, c) {
			t.tenant = c
			break
		}
	}
	for _, c := range append([]string{"id", "uuid", "key"}, t.columns...) {
		if slices.Contains(t.columns, c) && c != t.tenant && distinctIn(t.b, c) {
			t.key = c
			break
		}
	}
	mine := map[string]bool{}
	for _, r := range t.a {
		mine[text(r[t.key])] = true
	}
	same := len(t.b) > 0
	for _, r := range t.b {
		if k := text(r[t.key]); t.key != "" && !mine[k] {
			t.onlyB[k] = true
			same = false
		}
	}
	t.shared = same && t.tenant == ""
}

func distinctIn(rows []map[string]any, column string) bool {
	seen := map[string]bool{}
	for _, r := range rows {
		v := text(r[column])
		if v == "" || seen[v] {
			return false
		}
		seen[v] = true
	}
	return len(rows) > 0
}

// text is a JSON value as a filter writes it; "" for null and for what is nested.
func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		return fmt.Sprint(v)
	}
	return ""
}

// foreign says which row of B's is in an answer: by its tenant, by its key, or by a
// text that only B's rows hold and that the request did not carry itself.
func (h *httpAttack) foreign(t *resource, c call, r reply) string {
	sent := c.target() + c.body
	if decoded, err := url.QueryUnescape(sent); err == nil {
		sent += decoded
	}
	for _, row := range r.rows() {
		if t != nil && t.tenant != "" && h.tenantA != "" {
			if v := text(row[t.tenant]); v != "" && v != h.tenantA && !h.given[v] &&
				!(r.status/100 != 2 && strings.Contains(sent, v)) {
				return "a row of tenant " + v
			}
		}
		if t != nil && t.key != "" && r.status/100 == 2 && len(row) > 1 && t.onlyB[text(row[t.key])] &&
			(t.tenant == "" || text(row[t.tenant]) != h.tenantA) {
			return "the row " + text(row[t.key]) + " of tenant B"
		}
	}
	telling := h.secrets
	if r.status/100 == 2 {
		telling = h.strong // people's names repeat among tenants; keys do not
	}
	for s := range telling {
		if bytes.Contains(r.body, []byte(s)) && !strings.Contains(sent, s) {
			return "a value of tenant B's (" + s[:4] + "…)"
		}
	}
	return ""
}

func pickOf[T any](values []T) T { return values[rand.IntN(len(values))] }
