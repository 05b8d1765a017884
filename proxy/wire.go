package proxy

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
)

// message is one message of the protocol after start-up: its type and what follows the
// length.
type message struct {
	kind byte
	body []byte
}

// buffers are lent to connections while something is in them: one that is idle has none.
var buffers = sync.Pool{New: func() any { b := make([]byte, bufferSize); return &b }}

const bufferSize = 8 << 10

// reader reads messages. The body of one is valid until the next is read.
type reader struct {
	conn net.Conn
	raw  syscall.RawConn // nil where only conn can be read
	most int             // bytes of a body

	lent        *[]byte // what buf is of, if it was lent
	buf         []byte
	from, until int // what was read and not yet taken
	taken       int // of that, the message that was returned last

	try func(fd uintptr) bool
	n   int
	err error
}

func newReader(conn net.Conn, most int) *reader {
	r := &reader{conn: conn, most: most}
	if c, ok := conn.(syscall.Conn); ok && waits {
		r.raw, _ = c.SyscallConn() // without it the connection itself is read
	}
	r.try = r.tryRead
	return r
}

func (r *reader) next() (message, error) {
	r.drop()
	head, err := r.peek(5)
	if err != nil {
		return message{}, err
	}
	n := int(binary.BigEndian.Uint32(head[1:])) - 4
	if n < 0 || n > r.most {
		return message{}, fmt.Errorf("message %q of %d bytes: the most is %d", head[0], n, r.most)
	}
	whole, err := r.peek(5 + n)
	if err != nil {
		return message{}, err
	}
	r.taken = len(whole)
	return message{whole[0], whole[5:]}, nil
}

// drop gives up what was returned last.
func (r *reader) drop() {
	r.from += r.taken
	r.taken = 0
	if r.from == r.until {
		r.from, r.until = 0, 0
	}
}

// peek waits until n bytes are there, and returns them without taking them.
func (r *reader) peek(n int) ([]byte, error) {
	for r.until-r.from < n {
		r.reserve(n)
		if err := r.fill(); err != nil {
			if err == io.EOF && r.until > r.from {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
	return r.buf[r.from : r.from+n], nil
}

// read takes n bytes.
func (r *reader) read(n int) ([]byte, error) {
	r.drop()
	b, err := r.peek(n)
	r.taken = len(b)
	return b, err
}

// Read hands on what was read and not taken, and then what comes.
func (r *reader) Read(b []byte) (int, error) {
	r.drop()
	if r.from < r.until {
		n := copy(b, r.buf[r.from:r.until])
		r.from += n
		return n, nil
	}
	return r.conn.Read(b)
}

// reserve makes room for n bytes behind from. A large message gets a buffer of its own,
// which is not kept for long.
func (r *reader) reserve(n int) {
	if r.lent != nil && n <= len(r.buf)-r.from || r.buf == nil && n <= bufferSize {
		return
	}
	pending := r.buf[r.from:r.until]
	switch {
	case n <= bufferSize && r.lent != nil:
		r.until = copy(r.buf, pending)
	case n <= bufferSize:
		r.lent = buffers.Get().(*[]byte)
		r.buf, r.until = *r.lent, copy(*r.lent, pending)
	case n > len(r.buf)-r.from:
		large := make([]byte, n)
		r.until = copy(large, pending)
		r.giveBack()
		r.buf = large
	default:
		return
	}
	r.from = 0
}

func (r *reader) giveBack() {
	if r.lent != nil {
		buffers.Put(r.lent)
	}
	r.lent, r.buf = nil, nil
}

// fill reads what is there, at least one byte.
func (r *reader) fill() error {
	if r.raw == nil {
		r.ensure()
		n, err := r.conn.Read(r.buf[r.until:])
		r.until += n
		if n > 0 {
			return nil
		}
		return err
	}
	r.n, r.err = 0, nil
	if err := r.raw.Read(r.try); err != nil {
		return err
	}
	r.until += r.n
	return r.err
}

func (r *reader) ensure() {
	if r.buf == nil {
		r.lent = buffers.Get().(*[]byte)
		r.buf = *r.lent
	}
}

// idle says whether the next message is still on its way.
func (r *reader) idle() bool { return r.until-r.from == r.taken }

// writer gathers messages until it is flushed.
type writer struct {
	conn net.Conn
	lent *[]byte
	buf  []byte
}

// flushAt is how much is gathered before it is sent anyway.
const flushAt = bufferSize - 512

func (w *writer) write(m message) error {
	if len(w.buf)+5+len(m.body) > flushAt && len(w.buf) > 0 {
		if err := w.flush(); err != nil {
			return err
		}
	}
	w.begin()
	w.buf = appendMessage(w.buf, m.kind, m.body)
	if len(w.buf) > flushAt {
		return w.flush()
	}
	return nil
}

// writeEncoded gathers messages that are encoded already.
func (w *writer) writeEncoded(messages []byte) error {
	w.begin()
	w.buf = append(w.buf, messages...)
	if len(w.buf) > flushAt {
		return w.flush()
	}
	return nil
}

func (w *writer) begin() {
	if w.lent == nil {
		w.lent = buffers.Get().(*[]byte)
		w.buf = (*w.lent)[:0]
	}
}

func (w *writer) flush() error {
	if w.lent == nil {
		return nil
	}
	_, err := w.conn.Write(w.buf)
	buffers.Put(w.lent)
	w.lent, w.buf = nil, nil
	return err
}

func appendMessage(b []byte, kind byte, body []byte) []byte {
	b = append(b, kind)
	b = binary.BigEndian.AppendUint32(b, uint32(len(body)+4))
	return append(b, body...)
}

// cut returns the zero-terminated text at the start of body, and the rest.
func cut(body []byte) (text, rest []byte, ok bool) {
	return bytes.Cut(body, []byte{0})
}

// text joins strings, each with its terminating zero.
func text(parts ...string) []byte { return []byte(strings.Join(parts, "\x00") + "\x00") }
