package postgres

import (
	"bytes"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// maxSocketPath is the longest path of a Unix socket (unix(7), sun_path).
const maxSocketPath = 107

// serverAttributes makes the server die with the thread that starts it. SIGQUIT
// is PostgreSQL's immediate shutdown: unlike SIGKILL it leaves no shared memory.
func serverAttributes(a *account) *syscall.SysProcAttr {
	attr := detached(a)
	attr.Pdeathsig = syscall.SIGQUIT
	return attr
}

// namedUser are the attributes of a child that runs as this process's user but is
// seen, in a user namespace of its own, with an id that has a name: containers often
// run with an id that /etc/passwd does not know. Where the kernel refuses the
// namespace the child fails to start.
func namedUser(a *account) *syscall.SysProcAttr {
	attr := detached(a)
	if a != nil {
		return attr
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		return attr
	}
	uid, err := strconv.Atoi(nobody.Uid)
	if err != nil {
		return attr
	}
	attr.Cloneflags = syscall.CLONE_NEWUSER
	attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: uid, HostID: os.Geteuid(), Size: 1}}
	attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: uid, HostID: os.Getegid(), Size: 1}}
	return attr
}

// serves reports whether pid is a live postgres that serves the folder data. A
// process id alone proves nothing: it may belong to somebody else by now. The
// command line of a zombie is empty.
func serves(pid int, data string) bool {
	cmdline, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
	if err != nil {
		return false
	}
	for arg := range bytes.SplitSeq(cmdline, []byte{0}) {
		if string(arg) == data {
			return true
		}
	}
	return false
}
