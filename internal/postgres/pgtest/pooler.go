//go:build unix

package pgtest

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Pooler starts PgBouncer in transaction mode before the server of a role's URL, with two
// connections to it, and returns the role's URL to the pooler. Nothing of its configuration
// is made for moat.
func Pooler(t testing.TB, role string) string {
	t.Helper()
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		program = "/usr/sbin/pgbouncer" // Debian's, beyond the PATH of many users
	}
	if _, err := os.Stat(program); err != nil {
		t.Fatal("pgbouncer is not installed: scripts/tools all, or apt-get install pgbouncer")
	}
	c, err := pgx.ParseConfig(role)
	if err != nil {
		t.Fatal(err)
	}
	port := freePort(t)
	args := []string{"-q", poolerFile(t, c, port)}
	if os.Getuid() == 0 {
		args = append([]string{"-u", ownerOf(t, c.Host)}, args...)
	}
	pooler := exec.Command(program, args...)
	if err := pooler.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pooler.Process.Kill(); _ = pooler.Wait() })
	url := fmt.Sprintf("postgres://%s@127.0.0.1:%d/%s", c.User, port, c.Database)
	for range 200 {
		conn, err := pgx.Connect(t.Context(), url+"?default_query_exec_mode=exec&connect_timeout=2")
		if err == nil {
			_ = conn.Close(context.Background()) // it answers
			return url
		}
		time.Sleep(25 * time.Millisecond)
	}
	t.Fatal("pgbouncer does not answer")
	return ""
}

// poolerFile writes the configuration.
func poolerFile(t testing.TB, c *pgx.ConnConfig, port int) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "moat-pooler-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	users, file := filepath.Join(dir, "users"), filepath.Join(dir, "pooler.ini")
	ini := fmt.Sprintf("[databases]\n* = host=%s port=%d\n[pgbouncer]\nlisten_addr=127.0.0.1\nlisten_port=%d\n"+
		"unix_socket_dir=\nauth_type=trust\nauth_file=%s\npool_mode=transaction\ndefault_pool_size=2\n", c.Host, c.Port, port,
		users)
	for name, text := range map[string]string{users: fmt.Sprintf("%q %q\n", c.User, c.Password), file: ini} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, 0o755); err != nil { // another user reads it
		t.Fatal(err)
	}
	return file
}

func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// ownerOf is the user of a socket's folder, which only the server's user may enter.
func ownerOf(t testing.TB, folder string) string {
	t.Helper()
	info, err := os.Stat(folder)
	if err != nil {
		t.Fatal(err)
	}
	owner, err := user.LookupId(fmt.Sprint(info.Sys().(*syscall.Stat_t).Uid))
	if err != nil {
		t.Fatal(err)
	}
	return owner.Username
}
