//go:build unix

package proxy

import (
	"io"
	"syscall"
)

// waits says that a read can be tried before it is waited for.
const waits = true

// tryRead reads without waiting. An empty buffer is given back before the wait.
func (r *reader) tryRead(fd uintptr) bool {
	r.ensure()
	for {
		n, err := syscall.Read(int(fd), r.buf[r.until:])
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			if r.from == r.until {
				r.from, r.until = 0, 0
				r.giveBack()
			}
			return false
		case err != nil:
			r.err = err
		case n == 0:
			r.err = io.EOF
		default:
			r.n = n
		}
		return true
	}
}
