package proxy_test

import (
	"context"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/proxy"
)

// standing is a connection whose server takes everything and answers nothing once it stands still.
type standing struct {
	net.Conn
	still *atomic.Bool
}

func (s standing) Write(p []byte) (int, error) {
	if s.still.Load() {
		return len(p), nil
	}
	return s.Conn.Write(p)
}

// A client whose statement a server that stands still does not answer is told soon; one that asks
// nothing keeps its connection.
func TestFrozenServerIsNoticed(t *testing.T) {
	pgtest.Full(t)
	t.Parallel()
	var still atomic.Bool
	f := newFixture(t, pgtest.New(t), func(c *proxy.Config) {
		dial := c.Server.DialFunc
		c.Server.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dial(ctx, network, address)
			return standing{conn, &still}, err
		}
	})
	idle := f.connect(t, "B", pgx.QueryExecModeSimpleProtocol)
	asking := f.connect(t, "A", pgx.QueryExecModeSimpleProtocol)
	still.Store(true)
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	_, err := asking.Exec(ctx, "select 1")
	if took := time.Since(began); err == nil || !strings.Contains(err.Error(), "08006") || took > 14*time.Second {
		t.Errorf("a frozen server: %v after %v", err, took)
	}
	still.Store(false)
	if _, err := idle.Exec(t.Context(), "select 1"); err != nil {
		t.Errorf("the connection that asked nothing: %v", err)
	}
}
