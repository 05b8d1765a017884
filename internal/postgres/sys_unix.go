//go:build unix

package postgres

import (
	"os"
	"syscall"

	"github.com/moat-db/moat/internal/filelock"
)

// tryLock is [filelock.Try], but for systems on which no server is started.
func tryLock(path string) (*os.File, error) { return filelock.Try(path) }

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
