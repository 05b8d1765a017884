//go:build !unix

package proxy

// waits says that a read can be tried before it is waited for.
const waits = false

func (r *reader) tryRead(uintptr) bool { return true }
