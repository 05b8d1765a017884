// Package alive has connections to PostgreSQL end soon after the other end is gone or stands still. A server
// whose machine or network went away sends nothing, and by itself TCP takes minutes to notice; one whose
// processes stand still is never noticed. A server that is only slow keeps its connections.
package alive

import (
	"context"
	"errors"
	"net"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	// A server that is asked nothing is asked for a sign of life: three times, from the third second on.
	idle     = 3 * time.Second
	interval = time.Second
	count    = 3
	// unacknowledged is for how long it may acknowledge nothing.
	unacknowledged = 6 * time.Second
	// connecting is how long it may take to accept a connection.
	connecting = 5 * time.Second
	// ping is how long an idle connection of a pool may take to answer before it is replaced. pgx has none.
	ping = 3 * time.Second
	// closing is how long an end may take. pgx allows 15 s, in which the pool has no room for another.
	closing = 3 * time.Second
)

// Pool prepares a pool. A time of its own for pings stays, and a choice of its own of whom to ask.
func Pool(c *pgxpool.Config) {
	Conn(&c.ConnConfig.Config)
	if c.PingTimeout == 0 {
		c.PingTimeout = ping
	}
	if c.ShouldPing == nil {
		c.ShouldPing = (&idlers{limit: c.PingTimeout}).answers
	}
}

// Conn prepares a connection: once made, it notices that the other end is gone, or stands still. A
// connect_timeout of its own stays.
func Conn(c *pgconn.Config) {
	d := newDialer(c.DialFunc)
	limit := connecting
	if c.ConnectTimeout > 0 {
		limit = c.ConnectTimeout
	}
	c.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		return d.connect(ctx, network, address)
	}
}

func (d *dialer) connect(ctx context.Context, network, address string) (net.Conn, error) {
	raw, err := d.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	if tcp, ok := raw.(*net.TCPConn); ok {
		keepAlive(tcp)
	}
	c := &conn{Conn: raw, server: d.to(network, address)}
	c.waits.limit = firstSilence
	c.server.add(c)
	return c, nil
}

// keepAlive sets what the system offers; without it, the connection is as good as any.
func keepAlive(c *net.TCPConn) {
	_ = c.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: idle, Interval: interval, Count: count})
	if raw, err := c.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { _ = giveUpAfter(fd, unacknowledged) })
	}
}

type conn struct {
	net.Conn
	server *server
	waits  wait
}

func (c *conn) Read(p []byte) (int, error) {
	c.waits.reading.Store(true)
	n, err := c.Conn.Read(p)
	c.waits.read.Add(1)
	c.waits.reading.Store(false)
	return n, err
}

func (c *conn) Close() error {
	c.server.remove(c)
	return c.Conn.Close()
}

// SetDeadline bounds the deadlines of reading and writing together, which pgx sets to end a connection.
func (c *conn) SetDeadline(t time.Time) error {
	if latest := time.Now().Add(closing); t.After(latest) {
		t = latest
	}
	return c.Conn.SetDeadline(t)
}

// SyscallConn is the connection's own, where it has one.
func (c *conn) SyscallConn() (syscall.RawConn, error) {
	if s, ok := c.Conn.(syscall.Conn); ok {
		return s.SyscallConn()
	}
	return nil, errors.ErrUnsupported
}
