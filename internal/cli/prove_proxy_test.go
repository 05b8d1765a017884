package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/prove"
)

// Prove attacks through the proxy as it does the database, and the pool that the proxy keeps.
func TestProveThroughTheProxy(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: the proxy's own tests
	for _, sealed := range []bool{false, true} {
		t.Run(fmt.Sprintf("sealed %t", sealed), func(t *testing.T) {
			t.Parallel()
			s := newDoors(t, sealed)
			r := s.proves(t, exitOK, "--pool")
			for _, id := range []string{"read:public.docs", "update:public.docs", "no tenant:public.docs",
				"savepoint:public.docs", "interleaved borrowings:pool", "held cursor:pool"} {
				if p := r.Find(id); p == nil || p.Verdict != prove.VerdictIsolated {
					t.Errorf("%s: %+v", id, p)
				}
			}
			if p := r.Find("read:public.docs"); !r.Context.Proxy || p == nil ||
				!strings.Contains(p.Script, "SET LOCAL moat.tenant_token = 'a token of tenant ") {
				t.Errorf("context %+v, %+v", r.Context, p)
			}
			if text, _ := json.Marshal(r); strings.Contains(string(text), "eyJ") {
				t.Error("the report holds a token")
			}
			operator, err := pgx.Connect(t.Context(), s.url)
			if err != nil {
				t.Fatal(err)
			}
			defer operator.Close(context.Background())
			if _, err := operator.Exec(t.Context(), "do $$ begin execute (select "+
				"string_agg('drop event trigger ' || evtname, '; ') from pg_event_trigger); end $$; "+
				"alter table docs disable row level security"); err != nil {
				t.Fatal(err)
			}
			if p := s.proves(t, exitFound).Find("read:public.docs"); p == nil || p.Verdict != prove.VerdictLeak {
				t.Errorf("without policies: %+v", p)
			}
		})
	}
}

// proves runs moat prove through the proxy.
func (s *doors) proves(t *testing.T, want int, args ...string) *prove.Report {
	t.Helper()
	proxy := fmt.Sprintf("postgres://app@%s/%s?sslmode=disable", s.proxy, s.dbname)
	code, out, errs := run(t, append([]string{"prove", s.url, "--config", s.yaml, "--format", "json", "--proxy",
		"--app-url", proxy}, args...)...)
	var r prove.Report
	if err := json.Unmarshal([]byte(out), &r); code != want || err != nil {
		t.Fatalf("exit %d, want %d: %v %s\n%s", code, want, err, errs, out)
	}
	return &r
}

func TestProveThroughTheProxyNeedsAService(t *testing.T) {
	t.Parallel()
	yaml := write(t, "moat.yaml", strings.ReplaceAll(goodIssuer, "%s", write(t, "secret", strings.Repeat("k", 32))))
	code, _, errs := run(t, "prove", "postgres:///x", "--app-url", "postgres:///x", "--proxy", "--config", yaml)
	if code != exitError || !strings.Contains(errs, "proxy.services names no service") {
		t.Errorf("exit %d: %s", code, errs)
	}
}
