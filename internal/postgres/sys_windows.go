package postgres

import (
	"errors"
	"os"
	"syscall"
)

const maxSocketPath = 107

// tryLock is the first thing that a start does with a folder, so this error ends
// every start on Windows. The rest of moat works there with a server elsewhere.
func tryLock(path string) (*os.File, error) {
	return nil, errors.New("a private PostgreSQL is not supported on Windows")
}

func ownerOf(info os.FileInfo) (uid, gid uint32) { return ^uint32(0), ^uint32(0) }

func detached(a *account) *syscall.SysProcAttr { return nil }

func serverAttributes(a *account) *syscall.SysProcAttr { return nil }

func namedUser(a *account) *syscall.SysProcAttr { return nil }

func serves(pid int, data string) bool { return false }

func signal(pid int, sig syscall.Signal) {}
