package protect

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/moat-db/moat/internal/postgres"
	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// TestSecondIsRefused starts a second apply while a first one works: it is refused at once,
// and told by whom.
func TestSecondIsRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t, simple)
	plan := b.plan(t)
	first, err := openSession(t.Context(), b.open, ApplyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer first.close()
	_, err = Apply(t.Context(), b.open, plan, ApplyOptions{})
	var running *RunningError
	if !errors.As(err, &running) || !errors.Is(err, ErrRunning) {
		t.Fatalf("second apply: %v", err)
	}
	if h := running.Holder; uint32(h.PID) != first.conn.PgConn().PID() || h.Application != "moat protect" {
		t.Errorf("the first is said to be %s", h)
	}
	if err := Running(t.Context(), b.Conn(t, b.URL)); !errors.Is(err, ErrRunning) {
		t.Errorf("nothing is said to run: %v", err)
	}
	first.close()
	if _, err := Apply(t.Context(), b.open, plan, ApplyOptions{}); err != nil {
		t.Errorf("after the first: %v", err)
	}
}

// TestBackToBack applies and undoes without a pause: what has returned is in nobody's way.
func TestBackToBack(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestSecondIsRefused
	b := newBench(t, simple)
	for range pgtest.Rounds(t, "MOAT_TEST_KILLS", 3, 1) {
		if _, err := Apply(t.Context(), b.open, b.plan(t), ApplyOptions{}); err != nil {
			t.Fatalf("apply: %v", err)
		}
		for range 40 { // the first undoes, the others find nothing to do, and soon
			if _, err := Undo(t.Context(), b.open, ApplyOptions{}); err != nil {
				t.Fatalf("undo: %v", err)
			}
		}
	}
}

// TestHoldersAreNamed holds what a step needs: an open transaction, a prepared one, and an
// old snapshot that CREATE INDEX CONCURRENTLY waits for.
func TestHoldersAreNamed(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestPartitionWaitsForReaders
	c := pgtest.NewCluster(t, postgres.Options{Settings: map[string]string{"max_prepared_transactions": "5"}})
	for name, h := range map[string]struct{ hold, release, want string }{
		"open":     {"BEGIN; LOCK app.orders IN ROW EXCLUSIVE MODE", "ROLLBACK", "idle in transaction"},
		"snapshot": {"BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1", "ROLLBACK", "idle in transaction"},
		"prepared": {"BEGIN; LOCK app.orders IN ROW EXCLUSIVE MODE; PREPARE TRANSACTION 'forgotten'",
			"ROLLBACK PREPARED 'forgotten'", `prepared transaction "forgotten"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pgtest.Full(t, "prepared")
			b := newBenchOn(t, c, simple)
			plan := b.plan(t)
			holder := b.Conn(t, b.URL)
			if _, err := holder.PgConn().Exec(t.Context(), h.hold).ReadAll(); err != nil {
				t.Fatal(err)
			}
			said := make(chan string, 100)
			opts := ApplyOptions{Progress: func(p Progress) {
				if len(p.Holders) > 0 {
					select {
					case said <- holdersText(p.Holders):
					default:
					}
				}
			}}
			go func() {
				select {
				case text := <-said:
					said <- text
				case <-t.Context().Done():
				case <-time.After(20 * time.Second):
				}
				_, _ = holder.PgConn().Exec(t.Context(), h.release).ReadAll()
			}()
			if _, err := Apply(t.Context(), b.open, plan, opts); err != nil {
				t.Fatal(err)
			}
			select {
			case text := <-said:
				if !strings.Contains(text, h.want) {
					t.Errorf("named %s, want %s", text, h.want)
				}
			default:
				t.Error("nobody was named")
			}
		})
	}
}
