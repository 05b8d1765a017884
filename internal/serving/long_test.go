package serving

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// An answer on the disk holds no memory, reaches a slow client whole although others need the
// memory, and is bounded: of one answer, and of all of a tenant.
func TestAnswersOnTheDisk(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const size = 40 * piece
		g := NewGate(2, Limits{AnswerBytes: piece})
		dial := wire(t, g.Hold(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			x := g.ExchangeOf(r)
			if err := x.Arrive(r.Context(), "slow"); err != nil {
				x.Fail(err)
				return
			}
			x.ToDisk(size)
			_, _ = w.Write(bytes.Repeat([]byte("x"), size))
			if r.URL.Path == "/more" {
				_, _ = io.WriteString(w, "y")
			}
		}), func(w http.ResponseWriter, _ *http.Request, err error) {
			w.WriteHeader(http.StatusTeapot)
			_, _ = io.WriteString(w, err.Error())
		}))
		slow, start := dial(), time.Now()
		send(t, slow, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		var got []byte
		for part := make([]byte, piece/2); ; time.Sleep(patience / 3) {
			n, err := slow.Read(part)
			if len(got) < size/2 && (g.held != 0 || g.disk != size) {
				t.Fatalf("%d bytes in memory, %d on the disk", g.held, g.disk)
			}
			if got = append(got, part[:n]...); err != nil || len(got) > size {
				break
			}
		}
		if bytes.Count(got, []byte("x")) < size || time.Since(start) < 5*time.Minute {
			t.Errorf("%d bytes after %s", len(got), time.Since(start))
		}
		slow.Close()
		more := dial()
		send(t, more, "GET /more HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		if got, err := io.ReadAll(more); err != nil || !bytes.Contains(got, []byte("418")) || len(got) > 1000 {
			t.Errorf("more than it may have: %v, %d bytes", err, len(got))
		}
		synctest.Wait()
		if g.disk != 0 || g.lanes["slow"].disk != 0 {
			t.Errorf("%d bytes are still on the disk", g.disk)
		}
		g.lanes["slow"].disk = tenantDisk
		full := dial()
		send(t, full, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		if got, err := io.ReadAll(full); err != nil || !bytes.Contains(got, []byte("take too much of the disk")) {
			t.Errorf("a tenant without room: %v, %d bytes", err, len(got))
		}
	})
}

// Statements that run for long are one of a tenant and a quarter of the pool; nobody else
// waits for them.
func TestLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(8, Limits{})
		ctx := context.Background()
		begin := func(tenant string) *Exchange {
			l, err := g.arrive(ctx, tenant)
			if err != nil {
				t.Fatal(err)
			}
			x := &Exchange{gate: g, lane: l, arrived: true, leave: func() {}}
			if err := x.Turn(ctx); err != nil {
				t.Fatal(err)
			}
			return x
		}
		var running, most atomic.Int32
		for _, tenant := range []string{"a", "a", "b", "c"} {
			go func() {
				x := begin(tenant)
				defer x.Leave()
				if err := x.Long(ctx); err != nil {
					t.Error(err)
				}
				most.Store(max(most.Load(), running.Add(1)))
				time.Sleep(10 * time.Second)
				running.Add(-1)
			}()
		}
		synctest.Wait()
		if running.Load() != 2 || g.free != 6 {
			t.Errorf("%d run, %d connections are free", running.Load(), g.free)
		}
		begin("d").Leave()
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if most.Load() != 2 || g.free != 8 || g.long.free != 2 {
			t.Errorf("%d at a time, %d and %d places free at the end", most.Load(), g.free, g.long.free)
		}
		// Who waits too long is told, and takes nothing with it.
		held := begin("a")
		if err := held.Long(ctx); err != nil {
			t.Fatal(err)
		}
		late, start := begin("a"), time.Now()
		var refused *RefusedError
		if err := late.Long(ctx); !errors.As(err, &refused) || refused.Busy {
			t.Errorf("a second one of the same tenant: %v", err)
		}
		if took := time.Since(start); took < longWait+time.Second/2 {
			t.Errorf("it was refused after %s, and comes again at once", took)
		}
		held.Leave()
		if g.free != 8 || g.long.free != 2 {
			t.Errorf("%d and %d places are free", g.free, g.long.free)
		}
	})
}
