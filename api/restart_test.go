package api_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/moat-db/moat/api"
	"github.com/moat-db/moat/internal/postgres"
	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// resumeWithin is how soon after the database accepts connections the API must serve
// again. It is a promise of the API, not a measure of speed.
const resumeWithin = 2 * time.Second

// TestDatabaseKilledAndRestarted kills the whole of PostgreSQL under writes, leaves it
// away for a moment and starts it again over the same data.
func TestDatabaseKilledAndRestarted(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestDatabaseCrash
	dir := filepath.Join(sharedDir(t), "kept")
	var second *postgres.Server
	cluster := pgtest.NewCluster(t, postgres.Options{Dir: dir})
	socket := cluster.Server.SocketDir()
	t.Cleanup(func() { stopSecond(t, second, socket) })
	db := cluster.New(t) // dropped over the second server, which ends after that
	sql, err := os.ReadFile("testdata/schema.sql")
	if err != nil {
		t.Fatal(err)
	}
	db.Exec(t, strings.ReplaceAll(string(sql), ":app", db.AppRole(t)))
	s := serveOn(t, db, func(c *api.Config) { c.Limits.Concurrent = 100 })
	w := startWriters(t, s)
	eventually(t, func() bool { return w.count(http.StatusCreated) > 20 })

	killServer(t, cluster.Server, dir)
	eventually(t, func() bool { return w.count(http.StatusServiceUnavailable) > 20 })
	eventually(t, func() bool { return s.do(t, call{path: "/readyz"}).Status == http.StatusServiceUnavailable })
	if err := cluster.Server.Stop(); err != nil { // takes what the killed one left
		t.Fatal(err)
	}
	if second, err = postgres.Start(t.Context(), postgres.Options{Dir: dir}); err != nil {
		t.Fatal(err)
	}
	// The server's new socket, at the address that the pool knows.
	if err := os.MkdirAll(filepath.Dir(socket), 0o755); err != nil {
		t.Fatal(err)
	}
	before := w.count(http.StatusCreated)
	if err := os.Symlink(second.SocketDir(), socket); err != nil {
		t.Fatal(err)
	}
	accepting := time.Now()
	eventually(t, func() bool { return w.count(http.StatusCreated) > before })
	took := time.Since(accepting)
	if took > resumeWithin {
		t.Errorf("served again %s after the database was there", took)
	}
	eventually(t, func() bool { return w.count(http.StatusCreated) > before+20 })
	w.stop()
	t.Logf("statuses %v, served again after %s", w.statuses, took)
	w.check(t, s)
}

// stopSecond stops the second server and removes the first one's address.
func stopSecond(t *testing.T, s *postgres.Server, socket string) {
	if s == nil {
		return
	}
	if err := errors.Join(s.Stop(), os.RemoveAll(filepath.Dir(socket))); err != nil {
		t.Error(err)
	}
}

// sharedDir is a temporary folder that the server's user may enter.
func sharedDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "moat-restart-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// killServer kills the postmaster; its backends end when they notice.
func killServer(t *testing.T, s *postgres.Server, dir string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "data", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(line)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-s.Done()
}

// writers insert rows and remember which were acknowledged.
type writers struct {
	mu           sync.Mutex
	statuses     map[int]int
	acknowledged []int
	unexpected   string // the first answer that is neither 201 nor 503 with Retry-After

	ends    chan struct{}
	running sync.WaitGroup
}

func startWriters(t *testing.T, s *server) *writers {
	w := &writers{statuses: map[int]int{}, ends: make(chan struct{})}
	for n := range 4 {
		w.running.Go(func() { w.write(t, s, 1000*1000*(n+1)) })
	}
	t.Cleanup(w.stop)
	return w
}

func (w *writers) write(t *testing.T, s *server, id int) {
	for ; ; id++ {
		select {
		case <-w.ends:
			return
		default:
		}
		got := s.do(t, call{method: "POST", path: "labels", body: fmt.Sprintf(`{"id":%d,"name":"x"}`, id)})
		w.note(id, got)
		if got.Status != http.StatusCreated {
			time.Sleep(5 * time.Millisecond)
		}
	}
}

func (w *writers) note(id int, got response) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.statuses[got.Status]++
	switch {
	case got.Status == http.StatusCreated:
		w.acknowledged = append(w.acknowledged, id)
	case got.Status == http.StatusServiceUnavailable && got.Header.Get("Retry-After") != "":
	case w.unexpected == "":
		w.unexpected = fmt.Sprintf("status %d, Retry-After %q: %s", got.Status, got.Header.Get("Retry-After"), got.Body)
	}
}

func (w *writers) count(status int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.statuses[status]
}

// stop ends the writers; it may be called again.
func (w *writers) stop() {
	w.mu.Lock()
	select {
	case <-w.ends:
	default:
		close(w.ends)
	}
	w.mu.Unlock()
	w.running.Wait()
}

// check looks for every acknowledged row.
func (w *writers) check(t *testing.T, s *server) {
	t.Helper()
	if w.unexpected != "" {
		t.Error(w.unexpected)
	}
	there := map[string]bool{}
	for _, row := range decode(t, fetchAll(t, s)).([]any) {
		there[fmt.Sprint(row.(map[string]any)["id"])] = true
	}
	for _, id := range w.acknowledged {
		if !there[fmt.Sprint(id)] {
			t.Errorf("the acknowledged row %d is lost", id)
		}
	}
}
