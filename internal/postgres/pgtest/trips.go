package pgtest

import (
	"context"
	"net"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Trips counts a pool's round trips: how often the client writes after it has read.
type Trips struct{ n atomic.Int64 }

// Install makes a pool that is not open yet count.
func (c *Trips) Install(config *pgxpool.Config) {
	dial := config.ConnConfig.DialFunc
	config.ConnConfig.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		return &countingConn{Conn: conn, trips: &c.n}, err
	}
	config.HealthCheckPeriod = time.Hour
}

// Reset starts to count from zero.
func (c *Trips) Reset() { c.n.Store(0) }

// Count is how many round trips there were since the start or the last Reset.
func (c *Trips) Count() int64 { return c.n.Load() }

type countingConn struct {
	net.Conn
	trips   *atomic.Int64
	written atomic.Bool
}

func (c *countingConn) Write(b []byte) (int, error) {
	if !c.written.Swap(true) {
		c.trips.Add(1)
	}
	return c.Conn.Write(b)
}

func (c *countingConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		c.written.Store(false)
	}
	return n, err
}
