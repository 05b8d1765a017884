package cli

import (
	"errors"
	"net"
	"os"
	"sync/atomic"
	"time"
)

// deadAfter is how long a client may take nothing of what is sent to it.
const deadAfter = 20 * time.Second

// livingListener hands out connections whose writes last as long as the client takes
// something, however little, and end when it does not. A deadline for the whole would
// cut off the slow ones, or let the dead ones stay.
type livingListener struct {
	net.Listener
	patience time.Duration
}

func (l livingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &living{Conn: c, patience: l.patience}, nil
}

type living struct {
	net.Conn
	patience time.Duration
	ended    atomic.Bool
}

// SetWriteDeadline ends the connection's writes where the deadline has passed already.
// Others are not needed here.
func (c *living) SetWriteDeadline(t time.Time) error {
	if t.IsZero() || t.After(time.Now()) {
		return nil
	}
	c.ended.Store(true)
	return c.Conn.SetWriteDeadline(t)
}

// SetDeadline keeps what Write relies on.
func (c *living) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

func (c *living) Write(b []byte) (int, error) {
	written, moved, unread := 0, time.Now(), -1
	for {
		if c.ended.Load() {
			return written, os.ErrDeadlineExceeded
		}
		if err := c.Conn.SetWriteDeadline(time.Now().Add(c.patience / 10)); err != nil {
			return written, err
		}
		n, err := c.Conn.Write(b[written:])
		written += n
		if err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
			return written, err
		}
		left := unreadBytes(c.Conn)
		if n > 0 || left < unread {
			moved = time.Now()
		}
		unread = left
		if time.Since(moved) > c.patience {
			return written, err
		}
	}
}
