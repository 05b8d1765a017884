package main

import (
	"fmt"
	"io"
	"net"
	"path/filepath"
	"time"
)

// delay is a proxy on loopback that holds every message back by half the added round
// trip, in either direction: a network that is far but not narrow.
type delay struct {
	net.Listener
	target string
	half   time.Duration
}

func startDelay(socketDir string, port int, roundTrip time.Duration) (*delay, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	d := &delay{Listener: l, target: filepath.Join(socketDir, fmt.Sprintf(".s.PGSQL.%d", port)), half: roundTrip / 2}
	go d.serve()
	return d, nil
}

// URL is the connection string of a database through the delay.
func (d *delay) URL(database, role string) string {
	return fmt.Sprintf("postgres://%s@%s/%s?sslmode=disable", role, d.Addr(), database)
}

func (d *delay) serve() {
	for {
		client, err := d.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("unix", d.target)
		if err != nil {
			client.Close()
			continue
		}
		go d.pipe(server, client)
		go d.pipe(client, server)
	}
}

type packet struct {
	data []byte
	due  time.Time
}

// pipe reads at once and writes when due, so that several messages can be under way.
func (d *delay) pipe(to, from net.Conn) {
	packets := make(chan packet, 256)
	go func() {
		defer close(packets)
		for {
			buf := make([]byte, 16<<10)
			n, err := from.Read(buf)
			if n > 0 {
				packets <- packet{buf[:n], time.Now().Add(d.half)}
			}
			if err != nil {
				return
			}
		}
	}()
	for p := range packets {
		time.Sleep(time.Until(p.due))
		if _, err := to.Write(p.data); err != nil {
			break
		}
	}
	to.Close()
	io.Copy(io.Discard, from)
}
