//go:build unix

package postgres

import (
	"errors"
	"os"
	"syscall"
)

// errLocked says that another process holds the lock.
var errLocked = errors.New("locked")

// tryLock opens path, made when missing, and locks it for as long as the file stays
// open in this process. The kernel releases the lock when the process dies, and no
// child inherits it.
func tryLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errLocked
		}
		return nil, err
	}
	// Between open and lock a sweep may have removed the file: a lock on a
	// removed file excludes nobody.
	held, errHeld := f.Stat()
	found, errFound := os.Stat(path)
	if errHeld != nil || errFound != nil || !os.SameFile(held, found) {
		f.Close()
		return nil, errLocked
	}
	return f, nil
}

func ownerOf(info os.FileInfo) (uid, gid uint32) {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return st.Uid, st.Gid
	}
	return ^uint32(0), ^uint32(0)
}

// detached are the attributes of a child in its own session, so that Ctrl-C on the
// terminal reaches this process alone, running as the account.
func detached(a *account) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setsid: true}
	if a != nil {
		attr.Credential = &syscall.Credential{Uid: a.uid, Gid: a.gid, Groups: []uint32{}}
	}
	return attr
}

// signal sends sig. That the process may have ended this instant is not an error.
func signal(pid int, sig syscall.Signal) { _ = syscall.Kill(pid, sig) }
