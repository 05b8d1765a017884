// Package filelock keeps a second process out of what one is at work on. The operating
// system releases a lock when its process dies, so that none is left behind by a kill.
package filelock

import (
	"errors"
	"os"
)

// ErrLocked says that another process, or another open file of this one, holds the lock.
var ErrLocked = errors.New("locked")

// Try opens path, made when missing, and locks it for as long as the file stays open. No
// child inherits the lock. It does not wait: a lock that is held is [ErrLocked].
func Try(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := lock(f); err != nil {
		f.Close()
		return nil, err
	}
	// Between open and lock the holder may have removed the file: a lock on a removed file
	// excludes nobody.
	held, errHeld := f.Stat()
	found, errFound := os.Stat(path)
	if errHeld != nil || errFound != nil || !os.SameFile(held, found) {
		f.Close()
		return nil, ErrLocked
	}
	return f, nil
}
