package proxy_test

import (
	"context"
	"io"
	"net"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/proxy"
)

// overTCP reaches what dial reaches over a TCP connection, which it hands out too.
func overTCP(dial func(context.Context, string, string) (net.Conn, error), out chan<- *net.TCPConn,
) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		server, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		client, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			return nil, err
		}
		relay, err := l.Accept()
		go func() { _, _ = io.Copy(server, relay); server.Close() }()
		go func() { _, _ = io.Copy(relay, server); relay.Close() }()
		out <- client.(*net.TCPConn)
		return client, err
	}
}

// A client does not wait for minutes for a server that is gone.
func TestConnectionsToTheServerNoticeItsEnd(t *testing.T) {
	t.Parallel()
	dialled := make(chan *net.TCPConn, 8)
	f := newFixture(t, pgtest.New(t), func(c *proxy.Config) { c.Server.DialFunc = overTCP(c.Server.DialFunc, dialled) })
	if _, err := f.connect(t, "A", pgx.QueryExecModeSimpleProtocol).Exec(t.Context(), "select 1"); err != nil {
		t.Fatal(err)
	}
	raw, err := (<-dialled).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	const tcpUserTimeout = 18
	if failed := raw.Control(func(fd uintptr) {
		var limit int
		if limit, err = syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout); limit == 0 {
			t.Error("nothing ends a connection whose other end is gone")
		}
	}); failed != nil || err != nil {
		t.Error(failed, err)
	}
}
