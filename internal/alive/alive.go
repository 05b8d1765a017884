// Package alive has connections to PostgreSQL end soon after the other end is gone. A server whose machine
// or network went away sends nothing, and by itself TCP takes minutes to notice. A server that is only slow
// still acknowledges what it is sent, and keeps its connections.
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

// Pool prepares a pool. A time of its own for pings stays.
func Pool(c *pgxpool.Config) {
	c.ConnConfig.DialFunc = Dial(c.ConnConfig.DialFunc)
	if c.PingTimeout == 0 {
		c.PingTimeout = ping
	}
}

// Dial returns a function that dials by dial, and whose connections notice that the other end is gone.
func Dial(dial pgconn.DialFunc) pgconn.DialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, connecting)
		defer cancel()
		c, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		if tcp, ok := c.(*net.TCPConn); ok {
			watch(tcp)
		}
		return conn{c}, nil
	}
}

// watch sets what the system offers; without it, the connection is as good as any.
func watch(c *net.TCPConn) {
	_ = c.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: idle, Interval: interval, Count: count})
	if raw, err := c.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { _ = giveUpAfter(fd, unacknowledged) })
	}
}

type conn struct{ net.Conn }

// SetDeadline bounds the deadlines of reading and writing together, which pgx sets to end a connection.
func (c conn) SetDeadline(t time.Time) error {
	if latest := time.Now().Add(closing); t.After(latest) {
		t = latest
	}
	return c.Conn.SetDeadline(t)
}

// SyscallConn is the connection's own, where it has one.
func (c conn) SyscallConn() (syscall.RawConn, error) {
	if s, ok := c.Conn.(syscall.Conn); ok {
		return s.SyscallConn()
	}
	return nil, errors.ErrUnsupported
}
