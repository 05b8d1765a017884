package alive

import (
	"context"
	"crypto/tls"
	"errors"
	"maps"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// A server whose processes stand still, or a load balancer whose server is away, still acknowledges what it
// is sent, and no timeout of the server's own ends a statement there. So whoever has waited for an answer
// for a while has the server asked for a sign of life on a connection of its own; a statement that is only
// slow goes on.
const (
	// look is how often the connections of a server are looked at.
	look = time.Second
	// firstSilence is for how many looks an answer may fail to come before the server is asked, and
	// mostSilence for how many on a connection of a server that has answered ever again, such as one that
	// listens for notifications.
	firstSilence, mostSilence = 5, 60
	// sign is how long the server may take to give one.
	sign = 5 * time.Second
)

// Awaited says whether an answer is awaited, and how many have come.
type Awaited func() (awaited bool, answers uint64)

// AwaitedBy has f asked from time to time about a connection that [Conn] prepared and that is read all the
// time, awaiting an answer or not. Nil ends that.
func AwaitedBy(c net.Conn, f Awaited) {
	if over, ok := c.(*tls.Conn); ok {
		c = over.NetConn()
	}
	if c, ok := c.(*conn); ok {
		c.waits.known.Store(&f)
	}
}

// dialer dials, and keeps watch of the servers it dials.
type dialer struct {
	dial       pgconn.DialFunc
	look, sign time.Duration
	mu         sync.Mutex
	servers    map[string]*server
}

func newDialer(dial pgconn.DialFunc) *dialer {
	return &dialer{dial: dial, look: look, sign: sign, servers: map[string]*server{}}
}

// server is where connections of a dialer lead.
type server struct {
	*dialer
	network, address string
	mu               sync.Mutex
	conns            map[*conn]bool
	watched          bool
}

// to is the server at an address.
func (d *dialer) to(network, address string) *server {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.servers[network+address]
	if s == nil {
		s = &server{dialer: d, network: network, address: address, conns: map[*conn]bool{}}
		d.servers[network+address] = s
	}
	return s
}

// add has a connection looked at until it is closed.
func (s *server) add(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns[c] = true
	if !s.watched {
		s.watched = true
		go s.watch()
	}
}

func (s *server) remove(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
}

// watch goes on for as long as there are connections.
func (s *server) watch() {
	for {
		time.Sleep(s.look)
		conns := s.open()
		if len(conns) == 0 {
			return
		}
		silent := slices.DeleteFunc(conns, func(c *conn) bool { return !c.waits.tooLong() })
		if len(silent) > 0 && !s.lives() {
			for _, c := range silent {
				_ = c.Close()
			}
		}
	}
}

// open are the connections; where there are none, the watch ends.
func (s *server) open() []*conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watched = len(s.conns) > 0
	return slices.Collect(maps.Keys(s.conns))
}

// lives asks for TLS, which everything that speaks PostgreSQL's protocol answers before it knows who asks. A
// refusal is an answer too.
func (s *server) lives() bool {
	ctx, cancel := context.WithTimeout(context.Background(), s.sign)
	defer cancel()
	c, err := s.dial(ctx, s.network, s.address)
	if err == nil {
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(s.sign))
		if _, err = c.Write(sslRequest); err == nil {
			_, err = c.Read(make([]byte, 1))
		}
	}
	return !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, os.ErrDeadlineExceeded)
}

// sslRequest is the message of that name, of 8 bytes, with its code 80877103.
var sslRequest = []byte{0, 0, 0, 8, 4, 210, 22, 47}

// wait is whether and for how long an answer has been awaited.
type wait struct {
	reading atomic.Bool
	read    atomic.Uint64
	known   atomic.Pointer[Awaited]
	// What the last look found; only the looks use them.
	answers      uint64
	looks, limit int
}

// now is whether an answer is awaited, and how many have come.
func (w *wait) now() (bool, uint64) {
	if known := w.known.Load(); known != nil && *known != nil {
		return (*known)()
	}
	return w.reading.Load(), w.read.Load()
}

// tooLong looks, and reports whether the server should be asked.
func (w *wait) tooLong() bool {
	awaited, answers := w.now()
	if !awaited || answers != w.answers {
		w.answers, w.looks, w.limit = answers, 0, firstSilence
		return false
	}
	if w.looks++; w.looks < w.limit {
		return false
	}
	w.looks, w.limit = 0, min(2*w.limit, mostSilence)
	return true
}
