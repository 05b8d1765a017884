package rest

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moat-db/moat/internal/english"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/prove"
)

// trial is one request of an attack, and what would make its answer a leak beside
// B's rows in it.
type trial struct {
	call
	worked func(reply) string // "" when it did not work; nil: rows are all that counts
	asB    bool               // B's own request, in whose answer B's rows belong
}

// attack runs every family on every table.
func (h *httpAttack) attack(ctx context.Context) {
	for _, t := range h.tables {
		if t.shared || len(t.b) == 0 {
			h.vacant(t)
			continue
		}
		if h.tenantA == "" && len(t.onlyB) == 0 {
			h.undecided(t, "the two tokens see the same rows")
			continue
		}
		h.try(ctx, t, "list", h.lists(t))
		h.try(ctx, t, "filter", h.filters(t))
		h.try(ctx, t, "order and range", h.ranges(t))
		h.try(ctx, t, "embed", h.embeds(t))
		h.try(ctx, t, "update", h.updates(t))
		h.try(ctx, t, "header", h.headers(t))
		h.try(ctx, t, "token", h.tokens(t))
		h.try(ctx, t, "error", h.errors(t))
		if h.Disposable {
			h.try(ctx, t, "insert", h.inserts(t))
			h.try(ctx, t, "delete", h.deletes(t))
			h.try(ctx, t, "still there", h.still(t))
		}
		h.timing(ctx, t)
	}
	if !h.Disposable {
		h.report.Skip("POST, PUT and DELETE against tenant B: they would plant or remove rows if they worked (--disposable " +
			"sends them)")
	}
	h.report.Skip("expired tokens and tokens of other issuers: prove cannot sign them; they were imitated by tokens " +
		"with changed claims")
	h.generate(ctx)
}

// vacant explains a table that nothing can be told from.
func (h *httpAttack) vacant(t *resource) {
	if t.shared {
		h.report.Skip("/" + t.name + ": both tokens see the same rows and no tenant column: taken for shared")
		return
	}
	h.undecided(t, "tenant B has no row in it: give it one")
}

func (h *httpAttack) undecided(t *resource, why string) {
	h.report.Add(prove.Probe{Room: prove.API,
		Attack: "list", Object: "/" + t.name, Verdict: prove.VerdictUndecided, Reason: why,
		Script: call{method: "GET", path: "/" + t.name}.script(h.URL)})
}

// try sends the requests with A's token and reports one probe.
func (h *httpAttack) try(ctx context.Context, t *resource, name string, trials []trial) {
	if len(trials) == 0 {
		return
	}
	p := prove.Probe{Room: prove.API, Attack: name, Object: "/" + t.name, Verdict: prove.VerdictIsolated,
		Reason: english.Count(len(trials), "request") + ": nothing of tenant B's came back or changed"}
	var scripts []string
	for _, c := range trials {
		scripts = append(scripts, c.script(h.URL))
		r, err := h.send(ctx, c.call)
		if err != nil {
			if p.Verdict == prove.VerdictIsolated {
				p.Verdict, p.Reason = prove.VerdictUndecided, "a request got no answer: "+err.Error()
			}
			continue
		}
		why := ""
		if !c.asB {
			why = h.foreign(t, c.call, r)
		}
		if why != "" {
			why += " came back"
		}
		if c.worked != nil && why == "" {
			why = c.worked(r)
		}
		if why != "" {
			p.Verdict, p.Reason, p.Script = prove.VerdictLeak, fmt.Sprintf("%s (status %d)", why, r.status), c.script(h.URL)
			break
		}
		if r.status >= 500 && p.Verdict == prove.VerdictIsolated {
			p.Verdict, p.Reason = prove.VerdictUndecided, fmt.Sprintf("the server failed with %d: look at its log", r.status)
		}
	}
	if p.Script == "" {
		p.Script = strings.Join(scripts, "\n")
	}
	h.report.Add(p)
}

func (h *httpAttack) get(t *resource, query string, header ...string) trial {
	c := call{method: "GET", path: "/" + t.name, query: query, token: h.TokenA, header: map[string]string{}}
	for i := 0; i+1 < len(header); i += 2 {
		c.header[header[i]] = header[i+1]
	}
	return trial{call: c}
}

// lists compare what A sees, and how many it is told there are.
func (h *httpAttack) lists(t *resource) []trial {
	counted := h.get(t, "limit=1", "Prefer", "count=exact")
	counted.worked = func(r reply) string {
		_, total, _ := strings.Cut(r.header.Get("Content-Range"), "/")
		if n, err := strconv.Atoi(total); err == nil && len(t.a) < 50 && n > len(t.a) {
			return fmt.Sprintf("the count is %d where tenant A sees %s", n, english.Count(len(t.a), "row"))
		}
		return ""
	}
	out := []trial{h.get(t, ""), h.get(t, "select=*"), h.get(t, "limit=1000"), h.get(t, "", "Accept", "text/csv"),
		h.get(t, "", "Accept", "application/vnd.pgrst.object+json"), counted}
	out = append(out, list.Map(mediaTypes, func(media string) trial { return h.get(t, "", "Accept", media) })...)
	return out
}

func (h *httpAttack) keysOfB(t *resource) []string {
	var out []string
	for k := range t.onlyB {
		out = append(out, k)
	}
	slices.Sort(out)
	if len(out) > 5 {
		out = out[:5]
	}
	return out
}

// filters ask for B's rows by name.
func (h *httpAttack) filters(t *resource) []trial {
	var out []trial
	keys := h.keysOfB(t)
	for _, k := range keys {
		k := url.QueryEscape(k)
		for _, q := range []string{"%s=eq.%s", "%s=in.(%s)", "%s=gte.%s&limit=5", "or=(%s.eq.%s)", "and=(%s.eq.%s)",
			"not.or=(%[1]s.neq.%[2]s)", "%s=not.neq.%s", "or=(%[1]s.eq.%[2]s,%[1]s.neq.%[2]s)"} {
			out = append(out, h.get(t, fmt.Sprintf(q, t.key, k)))
		}
	}
	if t.tenant != "" && h.tenantB != "" {
		b := url.QueryEscape(h.tenantB)
		for _, q := range []string{"%s=eq.%s", "%s=in.(%s)", "%s=not.is.null&%[1]s=eq.%[2]s", "or=(%s.eq.%s)", "%s=neq." +
			url.QueryEscape(h.tenantA) + "&x=%s", "%s=eq.%s&%[1]s=eq." + url.QueryEscape(h.tenantA),
			"or=(%[1]s.eq.%[2]s,%[1]s.is.null)"} {
			out = append(out, h.get(t, fmt.Sprintf(q, t.tenant, b)))
		}
		out = append(out, h.get(t, t.tenant+"=neq."+url.QueryEscape(h.tenantA)),
			h.get(t, t.tenant+"=eq."+b+"'%20or%20'1'='1"), h.get(t, "or=("+t.tenant+".neq."+url.QueryEscape(h.tenantA)+")"))
	}
	return out
}

func (h *httpAttack) ranges(t *resource) []trial {
	out := []trial{h.get(t, "", "Range", "0-99999"), h.get(t, "", "Range", "-1"), h.get(t, "offset=-1"),
		h.get(t, "limit=-1"), h.get(t, "offset="+strconv.Itoa(len(t.a))), h.get(t, "limit=999999999")}
	for _, c := range t.columns {
		out = append(out, h.get(t, "order="+c+".asc&limit=5"), h.get(t, "order="+c+".desc.nullslast&limit=5"))
	}
	if t.tenant != "" {
		out = append(out, h.get(t, "order="+t.tenant+".desc&limit=1000"))
	}
	return out
}

// embeds join every other table, from both sides.
func (h *httpAttack) embeds(t *resource) []trial {
	var out []trial
	for _, o := range h.tables {
		if o == t {
			continue
		}
		out = append(out, h.get(t, "select=*,"+o.name+"(*)&limit=100"), h.get(t, "select=*,"+o.name+"!inner(*)&limit=100"),
			h.get(t, "select="+o.name+"(*),*&limit=100"))
		if o.tenant != "" && h.tenantB != "" {
			out = append(out, h.get(t, "select=*,"+o.name+"(*)&"+o.name+"."+o.tenant+"=eq."+url.QueryEscape(h.tenantB)))
		}
	}
	return out
}

// updates set a column of B's row to the value it has: if it works, nothing changes,
// but the answer tells.
func (h *httpAttack) updates(t *resource) []trial {
	var out []trial
	for _, row := range t.b {
		k := text(row[t.key])
		column, value := settable(t, row)
		if !t.onlyB[k] || column == "" {
			continue
		}
		body, _ := json.Marshal(map[string]any{column: value})
		for _, c := range []call{
			{method: "PATCH", path: "/" + t.name, query: t.key + "=eq." + url.QueryEscape(k)},
			{method: "PATCH", path: "/" + t.name, query: t.key + "=in.(" + url.QueryEscape(k) + ")"},
			{method: "PATCH", path: "/" + t.name, query: t.key + "=eq." + url.QueryEscape(k) + "&columns=" + column,
				header: map[string]string{"Prefer": "missing=default, return=representation, count=exact"}},
			{method: "POST", path: "/" + t.name, query: t.key + "=eq." + url.QueryEscape(k),
				header: map[string]string{"X-HTTP-Method-Override": "PATCH"}},
		} {
			if c.method == "POST" && !h.Disposable {
				continue
			}
			c.token, c.body = h.TokenA, string(body)
			if c.header == nil {
				c.header = map[string]string{}
			}
			if c.header["Prefer"] == "" {
				c.header["Prefer"] = "return=representation, count=exact"
			}
			tr := trial{call: c, worked: wrote("tenant B's row was updated")}
			if c.method == "POST" {
				tr.worked = nil // taken for an insert, it makes a row of A's own
			}
			out = append(out, tr)
		}
		if len(out) > 8 {
			break
		}
	}
	if t.tenant != "" && h.tenantB != "" && len(t.a) > 0 {
		out = append(out, h.moves(t)...)
	}
	return out
}

// moves hand A's row to B.
func (h *httpAttack) moves(t *resource) []trial {
	if !h.Disposable {
		return nil
	}
	body, _ := json.Marshal(map[string]any{t.tenant: h.tenantB})
	c := call{method: "PATCH", path: "/" + t.name, query: t.key + "=eq." + url.QueryEscape(text(t.a[0][t.key])),
		token: h.TokenA, body: string(body), header: map[string]string{"Prefer": "return=representation"}}
	return []trial{{call: c}} // a row that comes back as B's tells
}

// wrote reads a 2xx with rows in it as a success.
func wrote(what string) func(reply) string {
	return func(r reply) string {
		if r.status/100 != 2 {
			return ""
		}
		if len(topLevel(r)) > 0 {
			return what
		}
		_, total, ok := strings.Cut(r.header.Get("Content-Range"), "/")
		if n, err := strconv.Atoi(total); ok && err == nil && n > 0 {
			return what
		}
		return ""
	}
}

func settable(t *resource, row map[string]any) (string, any) {
	for _, c := range t.columns {
		if c != t.key && c != t.tenant && row[c] != nil && !strings.HasSuffix(c, "_id") && c != "id" {
			return c, row[c]
		}
	}
	return "", nil
}

// headers try to say by header what the token does not.
func (h *httpAttack) headers(t *resource) []trial {
	names := []string{"X-Tenant-Id", "X-Tenant", "Tenant-Id", "X-Organization-Id", "X-Account-Id", "X-Forwarded-User",
		"X-User-Id", "X-Moat-Tenant", "X-Hasura-Role", "Role", "X-Client-Info"}
	out := list.Map(names, func(name string) trial { return h.get(t, "", name, h.tenantB) })
	out = append(out,
		h.get(t, "", "Accept-Profile", "pg_catalog"), h.get(t, "", "Accept-Profile", "information_schema"),
		h.get(t, "", "Prefer", "tx=commit,handling=lenient,missing=default"),
		h.get(t, "", "Cookie", "tenant="+h.tenantB), h.get(t, "", "apikey", h.TokenA),
		h.get(t, "tenant="+url.QueryEscape(h.tenantB)), h.get(t, "tenant_id="+url.QueryEscape(h.tenantB)),
		h.get(t, "", "Content-Type", "application/x-www-form-urlencoded"),
		h.get(t, "", "Accept", "application/vnd.pgrst.plan+json; options=analyze"),
		h.get(t, "", "Forwarded", "for=127.0.0.1"))
	for _, path := range []string{"//" + t.name, "/./" + t.name, "/" + strings.ToUpper(t.name), "/" + t.name + "/", "/" +
		t.name + "%00", "/" + t.name + ";a=b", "/%2e%2e/" + t.name, "/" + t.name + ".json"} {
		c := h.get(t, "")
		c.path = path
		out = append(out, c)
	}
	for _, method := range []string{"OPTIONS", "HEAD", "QUERY", "PROPFIND", "TRACE"} {
		c := h.get(t, "")
		c.method = method
		out = append(out, c)
	}
	return out
}

// tokens forge: whatever comes back with rows in it was let in by a token that nobody
// signed.
func (h *httpAttack) tokens(t *resource) []trial {
	in := func(r reply) string {
		if r.status/100 == 2 && len(topLevel(r)) > 0 {
			return "a token that nobody signed was let in"
		}
		return ""
	}
	var out []trial
	for _, token := range h.forged() {
		c := h.get(t, "limit=5")
		c.token = token
		c.worked = in
		out = append(out, c)
	}
	// B's token beside A's, where only one is looked at.
	for _, extra := range [][]string{{"X-Authorization", "Bearer " + h.TokenA + "x"}} {
		out = append(out, h.get(t, "", extra...))
	}
	return out
}

// forged makes tokens from A's and B's: none at all, no algorithm, changed claims.
func (h *httpAttack) forged() []string {
	out := []string{"", "null", "undefined", strings.ToLower(h.TokenB), h.TokenB + "A", "Bearer"}
	a, b := strings.Split(h.TokenA, "."), strings.Split(h.TokenB, ".")
	if len(a) != 3 || len(b) != 3 {
		return out
	}
	enc := base64.RawURLEncoding.EncodeToString
	none := enc([]byte(`{"alg":"none","typ":"JWT"}`))
	out = append(out, a[0]+"."+b[1]+"."+a[2], b[0]+"."+b[1]+".", none+"."+b[1]+".",
		enc([]byte(`{"alg":"None"}`))+"."+b[1]+"."+b[2],
		enc([]byte(`{"alg":"HS256","typ":"JWT"}`))+"."+b[1]+"."+enc([]byte("signature")),
		b[0]+"."+b[1]+"."+reversed(b[2]))
	if claims, err := base64.RawURLEncoding.DecodeString(a[1]); err == nil && h.tenantA != "" {
		changed := enc([]byte(strings.ReplaceAll(string(claims), h.tenantA, h.tenantB)))
		out = append(out, a[0]+"."+changed+"."+a[2], none+"."+changed+".")
		var m map[string]any
		if json.Unmarshal(claims, &m) == nil {
			m["exp"], m["iss"] = time.Now().Add(-time.Hour).Unix(), "https://elsewhere.example.com"
			if expired, err := json.Marshal(m); err == nil {
				out = append(out, a[0]+"."+enc(expired)+"."+a[2])
			}
		}
	}
	return out
}

func reversed(s string) string {
	b := []byte(s)
	slices.Reverse(b)
	return string(b)
}

// errors provoke messages that could carry B's values.
func (h *httpAttack) errors(t *resource) []trial {
	out := []trial{h.get(t, "select=nope"), h.get(t, "nope=eq.1"), h.get(t, "order=nope"), h.get(t, "select=count()"),
		h.get(t, "select=*::int")}
	for _, c := range t.columns {
		out = append(out, h.get(t, c+"=eq.%27"), h.get(t, "select="+c+"::integer&limit=1000"), h.get(t, c+"=like.%25%5C"))
	}
	return out
}

// inserts plant rows for B, by the column and by mass assignment around it.
func (h *httpAttack) inserts(t *resource) []trial {
	if t.tenant == "" || h.tenantB == "" || len(t.a) == 0 {
		return nil
	}
	row := map[string]any{}
	maps.Copy(row, t.a[0])
	delete(row, t.key)
	row[t.tenant] = json.RawMessage(mustJSON(t.b[0][t.tenant]))
	one := mustJSON(row)
	taken := map[string]any{}
	maps.Copy(taken, t.b[0])
	planted := func(r reply) string {
		for _, got := range topLevel(r) {
			if r.status/100 == 2 && text(got[t.tenant]) != h.tenantA && text(got[t.tenant]) != "" {
				return "a row was planted in tenant B"
			}
		}
		return ""
	}
	var out []trial
	for _, c := range []call{
		{method: "POST", body: one},
		{method: "POST", body: "[" + one + "]"},
		{method: "POST", body: one, query: "columns=" + strings.Join(t.columns, ",")},
		{method: "POST", body: one, query: "columns=" + strings.Join(t.columns, ","),
			header: map[string]string{"Prefer": "missing=default,return=representation"}},
		{method: "POST", body: mustJSON(taken),
			header: map[string]string{"Prefer": "resolution=merge-duplicates,return=representation"}},
		{method: "PUT", body: mustJSON(taken), query: t.key + "=eq." + url.QueryEscape(text(t.b[0][t.key]))},
	} {
		c.path, c.token = "/"+t.name, h.TokenA
		if c.header == nil {
			c.header = map[string]string{"Prefer": "return=representation"}
		}
		out = append(out, trial{call: c, worked: planted})
	}
	return out
}

func mustJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return "null"
	}
	return string(b)
}

func (h *httpAttack) deletes(t *resource) []trial {
	var out []trial
	for _, k := range h.keysOfB(t) {
		out = append(out, trial{call: call{method: "DELETE", path: "/" + t.name, query: t.key + "=eq." + url.QueryEscape(k),
			token: h.TokenA, header: map[string]string{"Prefer": "return=representation, count=exact"}},
			worked: wrote("tenant B's row was deleted")})
	}
	return out
}

// still asks with B's token whether B's rows are as they were.
func (h *httpAttack) still(t *resource) []trial {
	c := call{method: "GET", path: "/" + t.name, query: "limit=50", token: h.TokenB}
	before := mustJSON(t.b)
	return []trial{{call: c, asB: true, worked: func(r reply) string {
		if now := mustJSON(topLevel(r)); len(t.b) < 50 && r.status == http.StatusOK && now != before {
			return "tenant B's rows are not what they were"
		}
		return ""
	}}}
}

// timing compares the time of a hit and a miss. Only a difference that cannot be
// chance, and that could be seen from outside, counts.
func (h *httpAttack) timing(ctx context.Context, t *resource) {
	keys := h.keysOfB(t)
	if len(keys) == 0 {
		return
	}
	miss := reversedDigits(keys[0])
	var hits, misses []float64
	const tries = 40
	for i := range tries {
		for _, key := range []string{keys[i%len(keys)], miss} {
			r, err := h.send(ctx, h.get(t, t.key+"=eq."+url.QueryEscape(key)).call)
			if err != nil {
				continue
			}
			if key == miss {
				misses = append(misses, float64(r.elapsed.Microseconds()))
			} else {
				hits = append(hits, float64(r.elapsed.Microseconds()))
			}
		}
	}
	p := prove.Probe{Room: prove.API, Attack: "timing", Object: "/" + t.name, Verdict: prove.VerdictIsolated,
		Script: h.get(t, t.key+"=eq."+url.QueryEscape(keys[0])).script(h.URL)}
	if len(hits) < tries/2 || len(misses) < tries/2 {
		p.Verdict, p.Reason = prove.VerdictUndecided, "too few answers to compare"
	} else if z, a, b := ranks(hits, misses); math.Abs(z) > 5 && math.Abs(a-b) > 0.25*min(a, b) && math.Abs(a-b) > 300 {
		p.Verdict, p.Reason = prove.VerdictLeak, fmt.Sprintf("a key of tenant B's takes %.0f µs, one that does not exist "+
			"%.0f µs", a, b)
	} else {
		p.Reason = fmt.Sprintf("a key of tenant B's takes as long (%.0f µs) as one that does not exist (%.0f µs)", a, b)
	}
	h.report.Add(p)
}

// reversedDigits is a key of the same shape that does not exist.
func reversedDigits(key string) string {
	b := []byte(key)
	for i := len(b) - 1; i >= 0; i-- {
		if b[i] >= '0' && b[i] <= '9' {
			b[i] = '0' + (9 - (b[i] - '0'))
		}
	}
	return string(b)
}

// ranks is the Mann–Whitney z of two samples, with their medians.
func ranks(x, y []float64) (z, medianX, medianY float64) {
	u := 0.0
	for _, a := range x {
		for _, b := range y {
			switch {
			case a > b:
				u++
			case a == b:
				u += 0.5
			}
		}
	}
	n, m := float64(len(x)), float64(len(y))
	z = (u - n*m/2) / math.Sqrt(n*m*(n+m+1)/12)
	return z, median(x), median(y)
}

func median(values []float64) float64 {
	s := slices.Sorted(slices.Values(values))
	return s[len(s)/2]
}
