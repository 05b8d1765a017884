package serving

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// TooLargeError refuses an answer that has more bytes than an answer may have.
type TooLargeError struct{ Limit int64 }

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("the answer has more than %d bytes", e.Limit)
}

// heldAnswer is what the handlers have written, until it is sent.
type heldAnswer struct {
	http.ResponseWriter
	exchange *Exchange
	status   int
	body     []byte
	err      error // why the answer cannot be given
}

func (a *heldAnswer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
}

func (a *heldAnswer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	if a.err == nil && a.exchange.disk != nil {
		n, err := a.exchange.writeDisk(p)
		a.err = err
		return n, err
	}
	if a.err == nil {
		a.err = a.grow(len(p))
	}
	if a.err != nil {
		return 0, a.err
	}
	a.body = append(a.body, p...)
	return len(p), nil
}

// grow makes room for n more bytes.
func (a *heldAnswer) grow(n int) error {
	need := len(a.body) + n
	if limit := a.exchange.gate.limits.AnswerBytes; int64(need) > max(limit, smallest) {
		return &TooLargeError{limit}
	}
	if need <= cap(a.body) {
		return nil
	}
	size := max(need, 2*cap(a.body), 2<<10)
	if err := a.exchange.Take(size - cap(a.body)); err != nil {
		return err
	}
	a.body = append(make([]byte, 0, size), a.body...)
	return nil
}

// smallest is what an answer may have in any case: one that says why there is none.
const smallest = 64 << 10

// drop forgets what was written, for another answer in its place, which is small.
func (a *heldAnswer) drop() {
	a.exchange.dropDisk()
	*a = heldAnswer{ResponseWriter: a.ResponseWriter, exchange: a.exchange}
}

// piece is how much is sent at a time: what a slow client takes within its patience.
const piece = 16 << 10

// send sends the answer. A client that takes nothing of it for long has gone.
func (a *heldAnswer) send(r *http.Request) {
	a.WriteHeader(http.StatusOK)
	var body io.Reader = bytes.NewReader(a.body)
	size := int64(len(a.body))
	if d := a.exchange.disk; d != nil {
		body, size, d.ends = io.NewSectionReader(d.file, 0, d.size), d.size, time.Now().Add(diskTime)
	}
	if h := a.Header(); size > 0 && r.Method != http.MethodHead && h.Get("Content-Length") == "" {
		h.Set("Content-Length", strconv.FormatInt(size, 10))
	}
	a.ResponseWriter.WriteHeader(a.status)
	// A SectionReader has no WriteTo, a bytes.Reader hides its own: in pieces either way.
	_, _ = io.CopyBuffer(pacedAnswer{a}, struct{ io.Reader }{body}, make([]byte, min(piece, max(1, size))))
}

// pacedAnswer gives the client its patience anew for each piece.
type pacedAnswer struct{ *heldAnswer }

func (p pacedAnswer) Write(b []byte) (int, error) {
	until := time.Now().Add(patience)
	if d := p.exchange.disk; d != nil && d.ends.Before(until) {
		until = d.ends
	}
	_ = p.exchange.control.SetWriteDeadline(until)
	n, err := p.ResponseWriter.Write(b)
	p.exchange.advance()
	return n, err
}
