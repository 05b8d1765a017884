// Package relay puts a network between a client and a server of a benchmark: far, but not narrow.
package relay

import (
	"fmt"
	"io"
	"net"
	"time"
)

// Delay is a listener on loopback that passes everything on to a target, and holds every
// message back by half the added round trip, in either direction.
type Delay struct {
	net.Listener
	network, target string
	half            time.Duration
}

// Start starts a Delay in front of the target of a network, as net.Dial takes them.
func Start(network, target string, roundTrip time.Duration) (*Delay, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	d := &Delay{Listener: l, network: network, target: target, half: roundTrip / 2}
	go d.serve()
	return d, nil
}

// URL is the connection string of a database through the delay.
func (d *Delay) URL(database, role string) string {
	return fmt.Sprintf("postgres://%s@%s/%s?sslmode=disable", role, d.Addr(), database)
}

func (d *Delay) serve() {
	for {
		client, err := d.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial(d.network, d.target)
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
func (d *Delay) pipe(to, from net.Conn) {
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
