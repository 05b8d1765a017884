package proxy_test

import (
	"bytes"
	"context"
	"net"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/internal/metertest"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/proxy"
)

// slowConn writes what empties a session, and says so only after the server has answered.
type slowConn struct{ net.Conn }

func (c slowConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	if bytes.Contains(b, []byte("discard all")) {
		time.Sleep(100 * time.Millisecond)
	}
	return n, err
}

// Nobody takes away the first answer on a connection that was emptied slowly.
func TestSlowlyEmptiedConnectionAnswers(t *testing.T) {
	t.Parallel()
	var meter metertest.Meter
	f := newFixture(t, pgtest.New(t), func(c *proxy.Config) {
		dial := c.Server.DialFunc
		c.Meter, c.Server.DialFunc = &meter, func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dial(ctx, network, address)
			return slowConn{conn}, err
		}
	})
	for range 2 {
		a := f.connect(t, "A", pgx.QueryExecModeSimpleProtocol)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		if _, err := a.Exec(ctx, "select 1"); err != nil {
			t.Fatal(err)
		}
		cancel()
		_ = a.Close(t.Context())
		for meter.Values()["moat_proxy_server_connections_idle"] != 1 {
			time.Sleep(10 * time.Millisecond)
		}
	}
}
