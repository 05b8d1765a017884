//go:build unix && !linux

package postgres

import (
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// maxSocketPath is the longest path of a Unix socket (macOS unix(4), sun_path).
const maxSocketPath = 103

// serverAttributes cannot tie the server to this process's life outside Linux;
// there the reaper alone does it.
func serverAttributes(a *account) *syscall.SysProcAttr { return detached(a) }

// namedUser has no user namespaces to offer outside Linux.
func namedUser(a *account) *syscall.SysProcAttr { return detached(a) }

// serves reports whether pid is a live postgres that serves the folder data. A
// process id alone proves nothing: it may belong to somebody else by now.
func serves(pid int, data string) bool {
	out, err := exec.Command("ps", "-o", "args=", "-p", strconv.Itoa(pid)).Output()
	return err == nil && strings.Contains(string(out), " "+data+" ")
}
