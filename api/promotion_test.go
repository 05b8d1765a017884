package api_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// foreign is an id of another tenant's that comes before all of those that are written.
const foreign = 1_000_000

// TestReplicaPromotion promotes the standby while clients of the server and of package moat
// write and read: no write that was acknowledged is lost, no read is older than allowed, no
// row is another tenant's.
func TestReplicaPromotion(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestReplicaReads
	r := newReplicated(t)
	primary := r.db.Conn(t, r.db.URL)
	execute(t, primary, "ALTER SYSTEM SET synchronous_standby_names = '*'")
	execute(t, primary, "SELECT pg_reload_conf()")
	t.Cleanup(func() { goAlone(t, r.db.URL) })
	execute(t, primary, fmt.Sprintf("INSERT INTO app.labels VALUES ('%s', %d, 'server'), ('%s', %d, 'library')",
		tenantB, foreign, tenantB, foreign+1))
	loads := []*load{{name: "server", first: 1001, door: overHTTP{t, r}},
		{name: "library", first: 500_001, door: overLibrary{r.store}}}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var wg sync.WaitGroup
	for _, l := range loads {
		wg.Go(func() { l.write(ctx, t) })
		wg.Go(func() { l.read(ctx, t) })
		wg.Go(func() { l.read(ctx, t) })
	}
	time.Sleep(time.Second)
	cutOff(t, r.db, r.primary.Server.SocketDir())
	cut := time.Now()
	for _, l := range loads {
		l.before = l.written.Load()
	}
	admin := r.admin(t)
	execute(t, admin, "ALTER SYSTEM SET synchronous_standby_names = ''")
	execute(t, admin, "SELECT pg_promote()")
	promoted := time.Now()
	for _, l := range loads {
		soon(t, func() bool { return l.written.Load() > l.before+20 })
	}
	time.Sleep(2 * maxLag)
	stop()
	wg.Wait()
	for _, l := range loads {
		l.check(t, admin, cut, promoted)
	}
}

// goAlone lets a primary commit without its standby; else its database cannot be dropped.
func goAlone(t *testing.T, url string) {
	conn, err := pgx.Connect(context.Background(), url)
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close(context.Background())
	for _, sql := range []string{"ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()"} {
		// Without a transaction around it: that would wait for the standby.
		if _, err := conn.PgConn().Exec(context.Background(), sql).ReadAll(); err != nil {
			t.Error(err)
		}
	}
}

// door is a way to the labels of tenant A. newest is the highest id of a name, and whether a
// replica said so.
type door interface {
	insert(ctx context.Context, id int64, name string) (moat.Position, error)
	has(ctx context.Context, id int64, after moat.Position) (bool, error)
	newest(ctx context.Context, name string) (id int64, replica bool, err error)
}

// load is what clients of a door were told while the servers change places. They write ids
// from first on, each higher than the last.
type load struct {
	door
	name          string
	first, before int64

	written, refused, reads, replica, missed atomic.Int64

	mu  sync.Mutex
	ack []acknowledged
}

type acknowledged struct {
	id int64
	at time.Time
}

func (l *load) write(ctx context.Context, t *testing.T) {
	for id := l.first; ctx.Err() == nil; id++ {
		after, err := l.insert(t.Context(), id, l.name)
		if err != nil {
			l.refused.Add(1)
			time.Sleep(5 * time.Millisecond)
			continue
		}
		l.mu.Lock()
		l.ack = append(l.ack, acknowledged{id, time.Now()})
		l.mu.Unlock()
		l.written.Add(1)
		if after == "" {
			continue // the server went before it said where it was
		}
		if there, err := l.has(t.Context(), id, after); err == nil && !there {
			t.Errorf("%s: the writer does not see its row %d", l.name, id)
		}
	}
}

func (l *load) read(ctx context.Context, t *testing.T) {
	for ctx.Err() == nil {
		begun := time.Now()
		id, replica, err := l.newest(t.Context(), l.name)
		if err != nil {
			l.missed.Add(1)
			continue
		}
		l.reads.Add(1)
		if replica {
			l.replica.Add(1)
		}
		if id >= foreign {
			t.Errorf("%s: a read shows another tenant's row %d", l.name, id)
		}
		l.mu.Lock()
		for _, a := range l.ack {
			if a.at.Before(begun.Add(-maxLag)) && a.id > id {
				t.Errorf("%s: a read shows %d; %d was acknowledged %v before", l.name, id, a.id, begun.Sub(a.at))
			}
		}
		l.mu.Unlock()
	}
}

// check wants on the new primary what was acknowledged.
func (l *load) check(t *testing.T, conn *pgx.Conn, cut, promoted time.Time) {
	rows, _ := conn.Query(t.Context(), "SELECT id FROM app.labels WHERE tenant_id = $1 AND name = $2", tenantA, l.name)
	there, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(there)
	lost, again := 0, time.Time{}
	for _, a := range l.ack {
		if _, found := slices.BinarySearch(there, a.id); !found {
			lost++
		}
		if again.IsZero() && a.at.After(promoted) {
			again = a.at
		}
	}
	t.Logf("%s: %d writes acknowledged, %d of them before; %d refused, %d lost; %d reads, %d on the replica, %d refused; "+
		"written again %v after the cut, %v after the promotion", l.name, l.written.Load(), l.before, l.refused.Load(),
		lost, l.reads.Load(), l.replica.Load(), l.missed.Load(), again.Sub(cut), again.Sub(promoted))
	if lost > 0 {
		t.Errorf("%s: %d writes that were acknowledged are lost", l.name, lost)
	}
	if l.before == 0 || l.replica.Load() == 0 {
		t.Errorf("%s: nothing was shown", l.name)
	}
}

// overHTTP goes through the server.
type overHTTP struct {
	t *testing.T
	r *replicated
}

var errRefused = errors.New("refused")

func (d overHTTP) insert(_ context.Context, id int64, name string) (moat.Position, error) {
	got := d.r.do(d.t, call{method: "POST", path: "labels", body: fmt.Sprintf(`{"id":%d,"name":"%s"}`, id, name)})
	if got.Status != http.StatusCreated {
		return "", errRefused
	}
	return moat.Position(got.Header.Get("Moat-Written")), nil
}

func (d overHTTP) has(_ context.Context, id int64, after moat.Position) (bool, error) {
	got := d.r.do(d.t, call{path: fmt.Sprintf("labels?id=eq.%d&select=id", id),
		header: []string{"Moat-Read-After: " + string(after)}})
	if got.Status != http.StatusOK {
		return false, errRefused
	}
	return got.Body == fmt.Sprintf(`[{"id":%d}]`, id), nil
}

// newest does not know who answered: it takes the server that was first choice.
func (d overHTTP) newest(ctx context.Context, name string) (id int64, replica bool, err error) {
	replica = d.r.store.Reader(asA(ctx)) != d.r.store
	got := d.r.do(d.t, call{path: "labels?select=id&order=id.desc&limit=1&name=eq." + name})
	if got.Status != http.StatusOK {
		return 0, replica, errRefused
	}
	if got.Body != "[]" {
		_, err = fmt.Sscanf(got.Body, `[{"id":%d}]`, &id)
	}
	return id, replica, err
}

// overLibrary goes through package moat.
type overLibrary struct{ db *moat.DB }

func asA(ctx context.Context) context.Context {
	return moat.WithScope(ctx, moat.Scope{Tenant: tenantA})
}

func (d overLibrary) insert(ctx context.Context, id int64, name string) (moat.Position, error) {
	ctx, cancel := context.WithTimeout(asA(ctx), 3*time.Second)
	defer cancel()
	_, err := d.db.Exec(ctx, "INSERT INTO app.labels VALUES ($1, $2, $3)", tenantA, id, name)
	if err != nil {
		return "", err
	}
	after, err := d.db.Written(ctx)
	if err != nil {
		return "", nil // the row is there all the same
	}
	return after, nil
}

func (d overLibrary) has(ctx context.Context, id int64, after moat.Position) (there bool, err error) {
	ctx, cancel := context.WithTimeout(moat.ReadAfter(asA(ctx), after), 3*time.Second)
	defer cancel()
	err = d.db.InReadTx(ctx, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, "SELECT EXISTS (SELECT FROM app.labels WHERE id = $1)", id).Scan(&there)
	})
	return there, err
}

func (d overLibrary) newest(ctx context.Context, name string) (id int64, replica bool, err error) {
	ctx, cancel := context.WithTimeout(asA(ctx), 3*time.Second)
	defer cancel()
	err = d.db.InReadTx(ctx, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, "SELECT coalesce(max(id), 0), pg_is_in_recovery() FROM app.labels WHERE name = $1",
			name).Scan(&id, &replica)
	})
	return id, replica, err
}
