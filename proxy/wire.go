package proxy

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
)

// message is one message of the protocol after start-up: its type and what follows the
// length.
type message struct {
	kind byte
	body []byte
}

// reader reads messages. The body of one is valid until the next is read.
type reader struct {
	r    *bufio.Reader
	most int // bytes of a body
	buf  []byte
}

func (r *reader) next() (message, error) {
	var head [5]byte
	if _, err := io.ReadFull(r.r, head[:]); err != nil {
		return message{}, err
	}
	n := int(binary.BigEndian.Uint32(head[1:])) - 4
	if n < 0 || n > r.most {
		return message{}, fmt.Errorf("message %q of %d bytes: the most is %d", head[0], n, r.most)
	}
	if cap(r.buf) < n || cap(r.buf) > 1<<16 && n < 1<<12 { // a large message is not kept for long
		r.buf = make([]byte, max(n, 512))
	}
	body := r.buf[:n]
	_, err := io.ReadFull(r.r, body)
	return message{head[0], body}, err
}

// idle says whether the next message is still on its way.
func (r *reader) idle() bool { return r.r.Buffered() == 0 }

func write(w *bufio.Writer, m message) error {
	head := [5]byte{m.kind}
	binary.BigEndian.PutUint32(head[1:], uint32(len(m.body)+4))
	if _, err := w.Write(head[:]); err != nil {
		return err
	}
	_, err := w.Write(m.body)
	return err
}

// cut returns the zero-terminated string at the start of body, and the rest.
func cut(body []byte) (string, []byte, bool) {
	for i, c := range body {
		if c == 0 {
			return string(body[:i]), body[i+1:], true
		}
	}
	return "", nil, false
}

// text joins strings, each with its terminating zero.
func text(parts ...string) []byte { return []byte(strings.Join(parts, "\x00") + "\x00") }
