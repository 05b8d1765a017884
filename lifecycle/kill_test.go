package lifecycle_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/lifecycle"
)

// TestWorker is not a test: it is the process that the others kill.
func TestWorker(t *testing.T) {
	url := os.Getenv("MOAT_TEST_WORKER_URL")
	if url == "" {
		return
	}
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	o := (&world{options: modelOptions()}).operatorOn(t, conn)
	said, limit := 0, must2(strconv.Atoi(os.Getenv("MOAT_TEST_WORKER_STEPS")))
	step := func() {
		if said++; said == limit {
			fmt.Println("here")
		}
	}
	if name := os.Getenv("MOAT_TEST_WORKER_TO"); name != "" {
		opts := lifecycle.ExportOptions{Progress: func(string, int64, bool) { step() }}
		_, err := o.ExportFile(t.Context(), acme, name, opts)
		fmt.Println("done", err)
	} else if name := os.Getenv("MOAT_TEST_WORKER_FILE"); name != "" {
		file, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		opts := restoring
		opts.RevokeCertificate = true
		opts.Progress = func(string, int64) { step() }
		_, err = o.Restore(t.Context(), acme, file, opts)
		fmt.Println("done", err)
	} else {
		_, err = o.Erase(t.Context(), acme, lifecycle.EraseOptions{Batch: 3, Progress: func(string, int64) { step() }})
		fmt.Println("done", err)
	}
}

func must2[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// killed runs the worker until it has taken so many steps, and kills it. It reports
// whether the worker had ended by itself.
func (w *world) killed(t *testing.T, steps int, env ...string) (ended bool) {
	t.Helper()
	c := exec.Command(os.Args[0], "-test.run=^TestWorker$")
	c.Env = append(append(os.Environ(), "MOAT_TEST_WORKER_URL="+w.URL+"&application_name=worker",
		"MOAT_TEST_WORKER_STEPS="+strconv.Itoa(steps)), env...)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		switch line := lines.Text(); {
		case line == "done <nil>":
			ended = true
		case line == "here":
			time.Sleep(time.Duration(rand.IntN(2000)) * time.Microsecond)
			_ = c.Process.Kill()
		case len(line) > 4 && line[:4] == "done":
			t.Fatal(line)
		}
	}
	_ = c.Wait()
	w.settled(t)
	return ended
}

// settled waits until the killed worker's session has ended on the server.
func (w *world) settled(t *testing.T) {
	t.Helper()
	for range 2000 {
		if w.count(t, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "+
			"AND backend_type = 'client backend' AND application_name = 'worker'") == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("the worker's session goes on")
}

func kills() int {
	if testing.Short() {
		return 4
	}
	return 20
}

// Killed at any moment, an erasure leaves the tenant suspended, nobody else's rows touched,
// and goes on when it is called again.
func TestKilledErasureGoesOn(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestErase
	w := newWorld(t, pgtest.Shared(t))
	others := w.fingerprint(t, acme, true)
	mid := 0
	for range kills() {
		if w.killed(t, 1+rand.IntN(8)) {
			break
		}
		mid++
		if diff := cmp.Diff(others, w.fingerprint(t, acme, true)); diff != "" {
			t.Fatalf("rows of others changed:\n%s", diff)
		}
		if n := w.count(t, "SELECT count(*) FROM app.tenants WHERE id = $1 AND suspended_at IS NULL", acme); n != 0 {
			t.Fatal("a half-erased tenant is served")
		}
	}
	if mid < 4 {
		t.Fatalf("killed only %d times", mid)
	}
	_, err := w.operator(t).Erase(t.Context(), acme, lifecycle.EraseOptions{})
	var gone *lifecycle.NoSuchTenantError // the last one was killed when all was done
	if err != nil && !errors.As(err, &gone) {
		t.Fatal(err)
	}
	all, err := w.operator(t).Certificates(t.Context())
	if err != nil || len(all) != 1 {
		t.Fatalf("%d certificates, %v", len(all), err)
	}
	c := all[0]
	for _, r := range c.Removed {
		if r.Table == "app.events" && r.Rows != 120 {
			t.Errorf("the certificate counts %d events of 120", r.Rows)
		}
	}
}

// Killed at any moment, a restore has happened or has not.
func TestKilledRestore(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestKilledErasureGoesOn
	w := newWorld(t, pgtest.Shared(t))
	mine, others := w.fingerprint(t, acme, false), w.fingerprint(t, acme, true)
	file := filepath.Join(t.TempDir(), "export")
	if err := os.WriteFile(file, w.export(t, acme), 0o600); err != nil {
		t.Fatal(err)
	}
	w.Exec(t, "DELETE FROM billing.invoices WHERE tenant_id = $1", acme)
	w.Exec(t, "UPDATE app.people SET extra = NULL WHERE tenant_id = $1", acme)
	broken := w.fingerprint(t, acme, false)
	for range kills() {
		w.killed(t, 1+rand.IntN(13), "MOAT_TEST_WORKER_FILE="+file)
		now := w.fingerprint(t, acme, false)
		if !cmp.Equal(now, broken) && !cmp.Equal(now, mine) {
			t.Fatalf("half restored:\n%s", cmp.Diff(mine, now))
		}
		if diff := cmp.Diff(others, w.fingerprint(t, acme, true)); diff != "" {
			t.Fatalf("rows of others changed:\n%s", diff)
		}
	}
	data := must2(os.Open(file))
	defer data.Close()
	if _, err := w.operator(t).Restore(t.Context(), acme, data, restoring); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(mine, w.fingerprint(t, acme, false)); diff != "" {
		t.Errorf("the tenant's rows:\n%s", diff)
	}
	if n := w.count(t, "SELECT count(*) FROM app.tenants WHERE id = $1 AND suspended_at IS NULL", acme); n != 1 {
		t.Error("the tenant stayed suspended")
	}
}

// While one tenant is erased and restored, others write: none of their writes is lost, and
// none waits long.
func TestOthersGoOnWriting(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestRoundTrip, in which others' rows stay
	w := newWorld(t, pgtest.Shared(t))
	still := w.fingerprint(t, initech, false)
	ctx, stop := context.WithCancel(t.Context())
	type outcome struct {
		writes  int
		slowest time.Duration
		err     error
	}
	done := make(chan outcome, 1)
	conn := w.Conn(t, w.URL)
	go func() {
		var o outcome
		for ; ctx.Err() == nil; o.writes++ {
			began := time.Now()
			if _, o.err = conn.Exec(t.Context(), "INSERT INTO app.people (tenant_id, team_id, email) "+
				"SELECT $1, min(id), $2 || '@busy' FROM app.teams WHERE tenant_id = $1", globex,
				strconv.Itoa(o.writes)); o.err != nil {
				break
			}
			o.slowest = max(o.slowest, time.Since(began))
		}
		done <- o
	}()
	file := w.export(t, acme)
	_, err := w.operator(t).Erase(t.Context(), acme, lifecycle.EraseOptions{Batch: 50})
	if err == nil {
		opts := restoring
		opts.WithoutTriggers, opts.RevokeCertificate = false, true
		_, err = w.operator(t).Restore(t.Context(), acme, readerOf(file), opts)
	}
	stop()
	o := <-done
	if err := errors.Join(err, o.err); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d writes, the slowest took %s", o.writes, o.slowest)
	if n := w.count(t, "SELECT count(*) FROM app.people WHERE email LIKE '%@busy'"); int(n) != o.writes || n == 0 {
		t.Errorf("%d of %d writes are there", n, o.writes)
	}
	if diff := cmp.Diff(still, w.fingerprint(t, initech, false)); diff != "" {
		t.Errorf("rows of a third changed:\n%s", diff)
	}
}
