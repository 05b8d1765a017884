package cli

import (
	"bytes"
	"net"
	"testing"
	"time"

	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// pair is the two ends of a connection whose reader has little room.
func pair(t *testing.T, patience time.Duration) (writer, reader net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	reader, err = net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if err := reader.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
		t.Fatal(err)
	}
	writer, err = livingListener{l, patience}.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { writer.Close(); reader.Close() })
	return writer, reader
}

// A client that takes a little now and then is served for many times as long as one that
// takes nothing.
func TestSlowReadersLive(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestDeadReadersEnd
	const patience = 2 * time.Second
	w, r := pair(t, patience)
	sent := make(chan error, 1)
	go func() {
		_, err := w.Write(make([]byte, 64<<20))
		sent <- err
	}()
	for start := time.Now(); time.Since(start) < 3*patience; time.Sleep(patience / 100) {
		if _, err := r.Read(make([]byte, 4<<10)); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case err := <-sent:
		t.Errorf("the write ended: %v", err)
	default:
	}
}

// One that takes nothing ends the write, however large what the system took of it.
func TestDeadReadersEnd(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: proxy.TestSlowlyEmptiedConnectionAnswers
	w, _ := pair(t, 300*time.Millisecond)
	n, err := w.Write(make([]byte, 64<<20))
	if err == nil {
		t.Errorf("%d bytes were written to a client that reads none", n)
	}
}

// Whoever needs the memory of a held answer ends its write at once.
func TestWritesCanBeEnded(t *testing.T) {
	t.Parallel()
	w, _ := pair(t, time.Hour)
	sent := make(chan error, 1)
	go func() {
		_, err := w.Write(bytes.Repeat([]byte("x"), 64<<20))
		sent <- err
	}()
	if err := w.SetWriteDeadline(time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if err := <-sent; err == nil {
		t.Error("it was written")
	}
}
