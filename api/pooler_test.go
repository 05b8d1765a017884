//go:build unix

package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// Through PgBouncer in transaction mode no request sees or changes a row of another tenant,
// and no acknowledged write is lost.
func TestNoLeakThroughPooler(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: the root's TestNoLeakThroughPooler
	operations := pgtest.Rounds(t, "MOAT_TEST_LEAK", 8_000, 1_000)
	db := database(t)
	db.Exec(t, "CREATE INDEX ON app.labels (tenant_id, name)")
	s := serveURL(t, db, pgtest.Pooler(t, db.As(t, db.Roles["app"])), 3*time.Second)
	tokens := map[string]string{tenantA: s.token(t, tenantA), tenantB: s.token(t, tenantB)}
	var foreign, wrong atomic.Int64
	var mu sync.Mutex
	acknowledged := map[string]bool{}
	var workers sync.WaitGroup
	for w := range 16 {
		workers.Go(func() {
			for i := w; i < operations; i += 16 {
				tenant, other := tenantA, tenantB
				if i/16%2 == w%2 {
					tenant, other = tenantB, tenantA
				}
				name := fmt.Sprintf("%s/%d", tenant, i)
				status, body := ask(t, s, tokens[tenant], i, name)
				if strings.Contains(body, other) {
					foreign.Add(1)
				}
				switch status {
				case http.StatusCreated:
					mu.Lock()
					acknowledged[name] = true
					mu.Unlock()
				case http.StatusOK, http.StatusConflict:
				default:
					wrong.Add(1)
					t.Logf("%d %s", status, body)
				}
			}
		})
	}
	workers.Wait()
	var lost, misplaced int
	const all = "SELECT tenant_id::text, name FROM app.labels WHERE name LIKE '%/%'"
	rows, err := db.Conn(t, db.URL).Query(t.Context(), all)
	if err != nil {
		t.Fatal(err)
	}
	written := len(acknowledged)
	for rows.Next() {
		var tenant, name string
		if err := rows.Scan(&tenant, &name); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(name, tenant+"/") {
			misplaced++
		}
		delete(acknowledged, name)
	}
	lost = len(acknowledged)
	t.Logf("%d operations, %d acknowledged writes: %d foreign answers, %d lost, %d misplaced, %d other answers",
		operations, written, foreign.Load(), lost, misplaced, wrong.Load())
	if foreign.Load() != 0 || lost+misplaced != 0 || wrong.Load() > int64(operations/100) {
		t.Error("the promise is broken")
	}
	if written < operations/10 {
		t.Errorf("only %d acknowledged writes: too few to show anything", written)
	}
}

// ask is one request: mostly reads, some writes, and some that fail.
func ask(t *testing.T, s *server, token string, i int, name string) (status int, body string) {
	method, path, text := http.MethodGet, "leads?select=tenant_id,id,name", ""
	switch i / 32 % 5 {
	case 0:
		path = "labels?select=tenant_id,name&order=id.desc&limit=20"
	case 1, 2:
		method, path, text = http.MethodPost, "labels?select=tenant_id,name", fmt.Sprintf(`{"id":%d,"name":%q}`, 1000+i, name)
	case 3:
		method, path, text = http.MethodPost, "labels", `{"id":1,"name":"there is one"}`
	}
	r, err := http.NewRequest(method, s.URL+"/rest/v1/"+path, strings.NewReader(text))
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Prefer", "return=representation")
	got := send(t, r)
	return got.Status, got.Body
}

// PostgreSQL does not interrupt compiling a statement, so that a small request could outlast its
// timeout by far, and workers would make a connection several processes: no request has either,
// whatever the role's settings are, nor behind a pooler. What the connection string says of
// workers holds.
func TestRequestsRunInOneProcess(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestGeneratedRequests
	db := database(t)
	role := db.Roles["app"]
	db.Exec(t, "ALTER ROLE "+role+" SET jit = on; ALTER ROLE "+role+" SET max_parallel_workers_per_gather = 4; "+
		"CREATE FUNCTION app.one_process() RETURNS text STABLE LANGUAGE sql AS $$ SELECT "+
		"pg_catalog.current_setting('jit') || pg_catalog.current_setting('max_parallel_workers_per_gather') $$")
	direct := db.As(t, role)
	for url, want := range map[string]string{direct: `"off0"`, pgtest.Pooler(t, direct): `"off0"`,
		direct + "&max_parallel_workers_per_gather=3": `"off3"`} {
		got := serveURL(t, db, url, 3*time.Second).do(t, call{path: "rpc/one_process"})
		if got.Status != 200 || got.Body != want {
			t.Errorf("%s: %d %s, want %s", url, got.Status, got.Body, want)
		}
	}
}
