package alive

import (
	"net"
	"syscall"
	"testing"
)

// No packet can be lost on purpose here: what the system does about lost ones is its own.
func TestSystemIsToldToGiveUp(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := newDialer((&net.Dialer{}).DialContext).connect(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	raw, err := c.(syscall.Conn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	for name, option := range map[string]struct{ level, number, want int }{
		"SO_KEEPALIVE":     {syscall.SOL_SOCKET, syscall.SO_KEEPALIVE, 1},
		"TCP_KEEPIDLE":     {syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE, 3},
		"TCP_KEEPINTVL":    {syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL, 1},
		"TCP_KEEPCNT":      {syscall.IPPROTO_TCP, syscall.TCP_KEEPCNT, 3},
		"TCP_USER_TIMEOUT": {syscall.IPPROTO_TCP, tcpUserTimeout, 6000},
	} {
		var got int
		if failed := raw.Control(func(fd uintptr) {
			got, err = syscall.GetsockoptInt(int(fd), option.level, option.number)
		}); failed != nil || err != nil || got != option.want {
			t.Errorf("%s is %d, want %d; %v, %v", name, got, option.want, failed, err)
		}
	}
}
