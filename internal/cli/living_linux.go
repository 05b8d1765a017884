package cli

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// unreadBytes is what the system has of a connection's writes that the peer has not
// acknowledged; 0 where it cannot tell.
func unreadBytes(c net.Conn) (n int) {
	raw, ok := c.(syscall.Conn)
	if !ok {
		return 0
	}
	control, err := raw.SyscallConn()
	if err != nil {
		return 0
	}
	err = control.Control(func(fd uintptr) { n, _ = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) })
	if err != nil {
		return 0
	}
	return n
}
