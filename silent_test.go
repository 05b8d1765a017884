package moat_test

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// silent is a connection whose other end may go away without a word: what is sent is lost.
type silent struct {
	net.Conn
	gone <-chan struct{}
}

func (s silent) Write(p []byte) (int, error) {
	select {
	case <-s.gone:
		return len(p), nil
	default:
		return s.Conn.Write(p)
	}
}

// leavable dials connections whose other end goes away when gone closes; those dialled later stay.
func leavable(t *testing.T, gone <-chan struct{}) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := (&net.Dialer{}).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		select {
		case <-gone:
			return c, nil
		default:
		}
		context.AfterFunc(t.Context(), func() { c.Close() }) // or the pool waits for its end
		return silent{c, gone}, nil
	}
}

// A server that goes away without closing its connections holds nobody up for long, once it or
// another is there again.
func TestSilentConnectionIsReplaced(t *testing.T) {
	t.Parallel()
	for name, idle := range map[string]time.Duration{
		"idle":   1100 * time.Millisecond, // the pool asks no connection that was used within a second
		"in use": 0,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gone := make(chan struct{})
			db := newLeads(t).open(t, 1, moat.Options{ConfigurePool: func(c *pgxpool.Config) {
				c.ConnConfig.DialFunc = leavable(t, gone)
			}})
			names(t, as(tenantA), db, "select name from leads")
			close(gone)
			if time.Sleep(idle); idle == 0 {
				ctx, cancel := context.WithTimeout(as(tenantA), 200*time.Millisecond)
				defer cancel()
				if _, err := db.Exec(ctx, "select 1"); err == nil {
					t.Fatal("a server that is gone has answered")
				}
			}
			ctx, cancel := context.WithTimeout(as(tenantA), 10*time.Second)
			defer cancel()
			if got := names(t, ctx, db, "select name from leads"); len(got) != 3 {
				t.Errorf("A sees %q", got)
			}
		})
	}
}

// While the connections of a pool are gone, and a new one could be made, nobody waits for each in turn.
func TestSilentPoolIsReplaced(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestPlainPoolKeepsLeftovers
	gone := make(chan struct{})
	const conns = 8
	db := newLeads(t).open(t, conns, moat.Options{ConfigurePool: func(c *pgxpool.Config) {
		c.ConnConfig.DialFunc, c.PingTimeout = leavable(t, gone), time.Second
	}})
	var naps sync.WaitGroup
	for range conns {
		naps.Go(func() {
			if _, err := db.Exec(as(tenantA), "select pg_sleep(0.5)"); err != nil {
				t.Error(err)
			}
		})
	}
	naps.Wait()
	close(gone)
	time.Sleep(1100 * time.Millisecond)
	began := time.Now()
	if got := names(t, as(tenantA), db, "select name from leads"); len(got) != 3 {
		t.Errorf("A sees %q", got)
	}
	if took := time.Since(began); took > conns*time.Second/2 {
		t.Errorf("it took %s", took)
	}
}
