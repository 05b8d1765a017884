package api_test

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/moat-db/moat/api"
	"github.com/moat-db/moat/internal/postgres"
	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// TestDatabaseCrash kills PostgreSQL under writes: it drops every connection, recovers
// and comes back. Until then the answer is 503 with Retry-After, afterwards every
// write that was acknowledged is there.
func TestDatabaseCrash(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: cli.TestServeFinishesRequests
	cluster := pgtest.NewCluster(t, postgres.Options{})
	db := cluster.New(t)
	sql, err := os.ReadFile("testdata/schema.sql")
	if err != nil {
		t.Fatal(err)
	}
	db.Exec(t, strings.ReplaceAll(string(sql), ":app", db.AppRole(t)))
	s := serveOn(t, db, func(c *api.Config) { c.Limits.Concurrent = 100 })

	var mu sync.Mutex
	statuses, acknowledged := map[int]int{}, map[int]bool{}
	stop := make(chan struct{})
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				id := 1000*1000*(w+1) + i
				got := s.do(t, call{method: "POST", path: "labels", body: fmt.Sprintf(`{"id":%d,"name":"x"}`, id)})
				mu.Lock()
				statuses[got.Status]++
				acknowledged[id] = got.Status == http.StatusCreated
				mu.Unlock()
				if got.Status == http.StatusServiceUnavailable && got.Header.Get("Retry-After") == "" {
					t.Error("503 without Retry-After")
				}
				if got.Status != http.StatusCreated {
					time.Sleep(5 * time.Millisecond)
				}
			}
		})
	}
	created := func() int {
		mu.Lock()
		defer mu.Unlock()
		return statuses[http.StatusCreated]
	}
	eventually(t, func() bool { return created() > 50 })
	var pid int
	if err := db.Conn(t, db.URL).QueryRow(t.Context(), "SELECT pg_backend_pid()").Scan(&pid); err != nil {
		t.Fatal(err)
	}
	// The death of one backend by a signal makes the server drop them all and recover.
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { mu.Lock(); defer mu.Unlock(); return statuses[503] > 0 })
	before := created() // the other backends went on until the server noticed
	eventually(t, func() bool { return created() > before+50 })
	close(stop)
	writers.Wait()
	t.Logf("statuses %v", statuses)
	for status := range statuses {
		if status != http.StatusCreated && status != http.StatusServiceUnavailable {
			t.Errorf("status %d: %s", status, s.lastLog())
		}
	}
	rows := decode(t, fetchAll(t, s)).([]any)
	there := map[string]bool{}
	for _, row := range rows {
		there[fmt.Sprint(row.(map[string]any)["id"])] = true
	}
	for id, acked := range acknowledged {
		if acked && !there[fmt.Sprint(id)] {
			t.Errorf("the acknowledged row %d is lost", id)
		}
	}
}

// fetchAll reads every id by its cursor.
func fetchAll(t *testing.T, s *server) string {
	t.Helper()
	var pages []string
	for after := ""; ; {
		got := s.do(t, call{path: "labels?select=id&order=id&id=gte.1000&after=" + after})
		if got.Status != http.StatusOK {
			t.Fatalf("status %d: %s", got.Status, got.Body)
		}
		if inner := strings.Trim(got.Body, "[]"); inner != "" {
			pages = append(pages, inner)
		}
		if after = got.Header.Get("Moat-Next-Cursor"); after == "" {
			return "[" + strings.Join(pages, ",") + "]"
		}
	}
}
