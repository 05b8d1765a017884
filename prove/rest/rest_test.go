package rest_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/moat-db/moat/prove"
	"github.com/moat-db/moat/prove/internal/shop"
	"github.com/moat-db/moat/prove/rest"
)

// flaw is a mistake of the server that filters in application code.
type flaw struct {
	byID, byHeader, unsigned, patch, count, insert, message, function bool
}

// server keeps two tenants' leads in memory and answers like PostgREST, well enough.
type server struct {
	flaw
	leads []map[string]any
}

func newServer(t *testing.T, f flaw) string {
	t.Helper()
	s := &server{flaw: f}
	for i := range 12 {
		tenant := []string{shop.TenantA, shop.TenantB}[i%2]
		s.leads = append(s.leads, map[string]any{"id": fmt.Sprintf("lead-%d-%s", 1000+i, tenant[:8]), "tenant_id": tenant,
			"email": fmt.Sprintf("person%d@%s.example.com", i, tenant[:4])})
	}
	h := httptest.NewServer(s)
	t.Cleanup(h.Close)
	return h.URL
}

func token(tenant, signature string) string {
	enc := base64.RawURLEncoding.EncodeToString
	return enc([]byte(`{"alg":"HS256"}`)) + "." + enc([]byte(`{"tenant_id":"`+tenant+`"}`)) + "." +
		enc([]byte(signature+tenant))
}

// tenant reads the token; only the unsigned flaw believes one that was not signed.
func (s *server) tenant(r *http.Request) string {
	parts := strings.Split(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), ".")
	if len(parts) != 3 {
		return ""
	}
	text, _ := base64.RawURLEncoding.DecodeString(parts[1])
	var claims struct {
		Tenant string `json:"tenant_id"`
	}
	if json.Unmarshal(text, &claims) != nil {
		return ""
	}
	if !s.unsigned && strings.Join(parts, ".") != token(claims.Tenant, "signed ") {
		return ""
	}
	if s.byHeader && r.Header.Get("X-Tenant-Id") != "" {
		return r.Header.Get("X-Tenant-Id")
	}
	return claims.Tenant
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	tenant := s.tenant(r)
	if tenant == "" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	switch r.URL.Path {
	case "/":
		fmt.Fprint(w, `{"swagger":"2.0","paths":{"/leads":{"get":{}},"/rpc/f":{"post":`+
			`{"parameters":[{"name":"args","in":"body","schema":{"properties":{"mail":{}}}}]}}},`+
			`"definitions":{"leads":{"properties":{"id":{},"tenant_id":{},"email":{}}}}}`)
	case "/leads":
		s.serve(w, r, tenant)
	case "/rpc/f":
		s.call(w, r, tenant)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// call counts the leads with an argument, or with the flaw shows them all.
func (s *server) call(w http.ResponseWriter, r *http.Request, tenant string) {
	if !r.URL.Query().Has("mail") {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	mine := slices.DeleteFunc(slices.Clone(s.leads), func(l map[string]any) bool { return l["tenant_id"] != tenant })
	if s.function {
		mine = s.leads
	}
	_ = json.NewEncoder(w).Encode(mine)
}

func (s *server) serve(w http.ResponseWriter, r *http.Request, tenant string) {
	q := r.URL.Query()
	id := strings.TrimPrefix(q.Get("id"), "eq.")
	rows := slices.DeleteFunc(slices.Clone(s.leads), func(l map[string]any) bool {
		mine := l["tenant_id"] == tenant || s.byID && id != "" || s.patch && r.Method == http.MethodPatch
		return !mine || id != "" && l["id"] != id
	})
	switch r.Method {
	case http.MethodPost:
		s.insert1(w, r, tenant)
		return
	case http.MethodGet, http.MethodPatch, http.MethodDelete:
	default:
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	if s.message && strings.Contains(r.URL.RawQuery, "nope") {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"message":"no column nope beside %v"}`, s.leads[1]["email"])
		return
	}
	total := len(rows)
	if s.count {
		total = len(s.leads)
	}
	w.Header().Set("Content-Range", fmt.Sprintf("0-%d/%d", len(rows), total))
	_ = json.NewEncoder(w).Encode(rows)
}

func (s *server) insert1(w http.ResponseWriter, r *http.Request, tenant string) {
	var row map[string]any
	if json.NewDecoder(r.Body).Decode(&row) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if !s.insert {
		row["tenant_id"] = tenant
	}
	w.WriteHeader(http.StatusCreated)
	_ = json.NewEncoder(w).Encode([]map[string]any{row})
}

// Generated requests call functions by GET with what B's rows hold.
func TestGeneratedRequestsCallFunctions(t *testing.T) {
	t.Parallel()
	r := attackServer(t, flaw{function: true})
	p := r.Find("generated requests:API")
	if p == nil || p.Verdict != prove.VerdictLeak || !strings.Contains(p.Script, "/rpc/f?mail=") {
		t.Errorf("a function that shows every tenant's rows was not found: %+v", p)
	}
}

func attackServer(t *testing.T, f flaw) *prove.Report {
	t.Helper()
	r, err := rest.Attack(context.Background(), rest.Options{URL: newServer(t, f), TokenA: token(shop.TenantA, "signed "),
		TokenB: token(shop.TenantB, "signed "), Requests: 300, Disposable: true})
	if err != nil {
		t.Fatal(err)
	}
	shop.Listed(t, prove.API, r)
	return r
}

func TestServerThatFiltersIsIsolated(t *testing.T) {
	t.Parallel()
	r := attackServer(t, flaw{})
	if r.Verdict != prove.VerdictIsolated {
		shop.Show(t, r, prove.VerdictLeak, prove.VerdictUndecided)
		t.Errorf("verdict = %s", r.Verdict)
	}
}

func TestBrokenServersAreCaught(t *testing.T) {
	t.Parallel()
	for attack, f := range map[string]flaw{"filter": {byID: true}, "header": {byHeader: true}, "token": {unsigned: true},
		"update": {patch: true},
		"list":   {count: true}, "insert": {insert: true}, "error": {message: true}} {
		t.Run(attack, func(t *testing.T) {
			t.Parallel()
			r := attackServer(t, f)
			if p := r.Find(attack + ":/leads"); p == nil || p.Verdict != prove.VerdictLeak {
				t.Errorf("%s did not leak; leaks: %v", attack, r.Leaks())
			}
		})
	}
}
