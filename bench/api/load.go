package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// connection sends prepared requests over one keep-alive connection. It does no more
// than it must: the load generator shares the machine with the servers.
type connection struct {
	net.Conn
	in *bufio.Reader
}

func dial(address string) (*connection, error) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	return &connection{c, bufio.NewReaderSize(c, 32<<10)}, nil
}

// send sends a request and returns the status; the body goes to w.
func (c *connection) send(request []byte, w io.Writer) (int, error) {
	if _, err := c.Write(request); err != nil {
		return 0, err
	}
	answer, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	_, err = io.Copy(w, answer.Body)
	return answer.StatusCode, err
}

// text writes a request as it goes over the wire.
func text(method, path, token, body string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\nAuthorization: Bearer %s\r\n",
		method, path, token)
	if body != "" {
		fmt.Fprintf(&b, "Content-Type: application/json\r\nContent-Length: %d\r\n", len(body))
	}
	fmt.Fprintf(&b, "\r\n%s", body)
	return b.Bytes()
}

// load keeps clients busy for a while.
type load struct {
	address  string
	requests [][]byte
	clients  int
}

// counts are the answers by status.
type counts map[int]int

func (c counts) total() (n int) {
	for _, k := range c {
		n += k
	}
	return n
}

// run sends requests from all clients for the time of the window, and returns how long
// it really took.
func (l load) run(ctx context.Context, window time.Duration) (counts, time.Duration, error) {
	var mu sync.Mutex
	var failed error
	all := counts{}
	connections := make([]*connection, l.clients)
	for i := range connections {
		c, err := dial(l.address)
		if err != nil {
			return nil, 0, err
		}
		defer c.Close()
		connections[i] = c
	}
	var clients sync.WaitGroup
	start := time.Now()
	for i, c := range connections {
		clients.Go(func() {
			got, err := l.client(ctx, c, i, start.Add(window))
			mu.Lock()
			defer mu.Unlock()
			for status, n := range got {
				all[status] += n
			}
			if failed == nil {
				failed = err
			}
		})
	}
	clients.Wait()
	return all, time.Since(start), failed
}

// client goes round the requests; each one begins elsewhere, so that the tenants mix.
func (l load) client(ctx context.Context, c *connection, first int, until time.Time) (counts, error) {
	got := counts{}
	for i := first; time.Now().Before(until) && ctx.Err() == nil; i++ {
		status, err := c.send(l.requests[i%len(l.requests)], io.Discard)
		if err != nil {
			return got, err
		}
		got[status]++
	}
	return got, ctx.Err()
}
