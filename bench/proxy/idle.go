package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

const idleConnections = 1000

// idle is the memory of a proxy's process with many connections that do nothing. The server
// is one that only greets: PostgreSQL itself would need as many processes.
func (b *bench) idle(ctx context.Context) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer l.Close()
	go greetAll(l)
	server := "postgres://app@" + l.Addr().String() + "/idle?sslmode=disable"
	if err := b.addProxy(ctx, "proxy, idle", settings{URL: server}, ""); err != nil {
		return err
	}
	t := b.targets[len(b.targets)-1]
	before, err := resident(t.pid)
	if err != nil {
		return err
	}
	for range idleConnections {
		conn, err := pgconn.Connect(ctx, t.url)
		if err != nil {
			return err
		}
		defer conn.Close(ctx)
	}
	time.Sleep(3 * time.Second)
	after, err := resident(t.pid)
	if err != nil {
		return err
	}
	fmt.Printf("%d idle connections: %.1f MB resident, %.1f MB without\n", idleConnections, after, before)
	return nil
}

// greetAll lets every client in and then says nothing.
func greetAll(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			b := pgproto3.NewBackend(conn, conn)
			if _, err := b.ReceiveStartupMessage(); err != nil {
				return
			}
			b.Send(&pgproto3.AuthenticationOk{})
			for name, value := range map[string]string{"server_version": "15.18", "client_encoding": "UTF8",
				"TimeZone": "UTC", "DateStyle": "ISO, MDY", "standard_conforming_strings": "on"} {
				b.Send(&pgproto3.ParameterStatus{Name: name, Value: value})
			}
			b.Send(&pgproto3.BackendKeyData{ProcessID: 1, SecretKey: []byte{1, 2, 3, 4}})
			b.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
			if b.Flush() == nil {
				_, _ = b.Receive() // until it goes
			}
		}()
	}
}

// resident is the memory of a process in MB.
func resident(pid int) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(text) {
		if f := bytes.Fields(line); len(f) == 3 && string(f[0]) == "VmRSS:" {
			kb, err := strconv.Atoi(string(f[1]))
			return float64(kb) / 1000, err
		}
	}
	return 0, fmt.Errorf("/proc/%d/status has no VmRSS", pid)
}
