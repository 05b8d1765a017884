//go:build unix

package proxy

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
)

// FuzzReader sends anything in pieces: it is read as the messages that it consists of, up to the first that
// is cut short or too long, and passed on as it came.
func FuzzReader(f *testing.F) {
	encoded := func(kind byte, n int) []byte { return appendMessage(nil, kind, bytes.Repeat([]byte{kind}, n)) }
	f.Add(append(encoded('Q', 3), encoded('S', 0)...), uint16(1))
	f.Add(append(encoded('d', bufferSize+1), encoded('S', 0)...), uint16(1000))
	f.Add(bytes.Repeat(encoded('D', bufferSize/3), 20), uint16(bufferSize))
	f.Add(append(bytes.Repeat(encoded('B', 40), 300), encoded('d', mostFuzzed)...), uint16(3*bufferSize))
	f.Add(encoded('d', mostFuzzed+1), uint16(4000))
	f.Add([]byte{'Q', 0, 0, 0, 3, 0}, uint16(2))
	f.Add([]byte{'Q', 0xff, 0xff, 0xff, 0xff}, uint16(5))
	f.Fuzz(func(t *testing.T, data []byte, piece uint16) {
		conn := pieces(t, data, max(1, int(piece)))
		r, passed := newReader(conn, mostFuzzed), &sink{}
		w := writer{conn: passed}
		for {
			m, err := r.next()
			if err != nil {
				break
			}
			if err := w.write(m); err != nil {
				t.Fatal(err)
			}
			if r.idle() {
				_ = w.flush()
			}
		}
		_ = w.flush()
		if want := whole(data); !bytes.Equal(passed.Bytes(), want) {
			t.Errorf("passed on %d bytes of %d, want %d", passed.Len(), len(data), len(want))
		}
	})
}

const mostFuzzed = 3 * bufferSize

// whole is the part of data that consists of messages.
func whole(data []byte) []byte {
	at := 0
	for len(data)-at >= 5 {
		n := int(binary.BigEndian.Uint32(data[at+1:])) - 4
		if n < 0 || n > mostFuzzed || len(data)-at < 5+n {
			break
		}
		at += 5 + n
	}
	return data[:at]
}

// sink takes what is written.
type sink struct {
	net.Conn
	bytes.Buffer
}

func (s *sink) Read(b []byte) (int, error)  { return 0, io.EOF }
func (s *sink) Write(b []byte) (int, error) { return s.Buffer.Write(b) }

// pieces is a connection on which data comes in pieces.
func pieces(t *testing.T, data []byte, size int) net.Conn {
	t.Helper()
	ends, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	conns := make([]net.Conn, 2)
	for i, end := range ends {
		file := os.NewFile(uintptr(end), "pair")
		conns[i], err = net.FileConn(file)
		if _ = file.Close(); err != nil {
			t.Fatal(err)
		}
	}
	go func() {
		for ; len(data) > 0; data = data[min(size, len(data)):] {
			if _, err := conns[0].Write(data[:min(size, len(data))]); err != nil {
				break
			}
		}
		_ = conns[0].Close()
	}()
	t.Cleanup(func() { _ = conns[1].Close() })
	return conns[1]
}
