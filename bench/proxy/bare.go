package main

import (
	"context"
	"fmt"
	"net"

	"github.com/jackc/pgx/v5/pgconn"
)

// bare is a relay's process: it prints its address and copies bytes between the sockets. That is
// what two goroutines a connection cost before a message is looked at.
func bare(ctx context.Context, c *pgconn.Config) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	kind, address := network(c)
	fmt.Println(l.Addr())
	context.AfterFunc(ctx, func() { _ = l.Close() })
	for {
		client, err := l.Accept()
		if err != nil {
			return nil // closed, for the benchmark is over
		}
		server, err := net.Dial(kind, address)
		if err != nil {
			return err
		}
		go pass(client, server)
		go pass(server, client)
	}
}

// pass copies by read and write, as a proxy must that looks at the messages: io.Copy would
// have the kernel do it.
func pass(to, from net.Conn) {
	defer to.Close()
	b := make([]byte, 8<<10)
	for {
		n, err := from.Read(b)
		if err != nil {
			return
		}
		if _, err := to.Write(b[:n]); err != nil {
			return
		}
	}
}

// network is where a server listens, as net.Dial takes it.
func network(c *pgconn.Config) (network, address string) {
	if c.Host[0] == '/' {
		return "unix", fmt.Sprintf("%s/.s.PGSQL.%d", c.Host, c.Port)
	}
	return "tcp", fmt.Sprintf("%s:%d", c.Host, c.Port)
}
