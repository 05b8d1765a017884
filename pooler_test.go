//go:build unix

package moat_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat"
)

// pgbouncer starts the real program in transaction mode over the fixture's server, with two
// connections, and returns the URL to it. Nothing of its configuration is made for moat.
func pgbouncer(t *testing.T, f *fixture) string {
	t.Helper()
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		program = "/usr/sbin/pgbouncer" // Debian's, beyond the PATH of many users
	}
	if _, err := os.Stat(program); err != nil {
		t.Fatal("pgbouncer is not installed: scripts/tools all, or apt-get install pgbouncer")
	}
	dir, err := os.MkdirTemp("/tmp", "moat-pooler-")
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	must(t, os.Chmod(dir, 0o755))
	c, err := pgx.ParseConfig(f.App)
	must(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	users, file := filepath.Join(dir, "users"), filepath.Join(dir, "pooler.ini")
	must(t, os.WriteFile(users, fmt.Appendf(nil, "%q %q\n", c.User, c.Password), 0o644))
	must(t, os.WriteFile(file, fmt.Appendf(nil, "[databases]\n* = host=%s port=%d\n[pgbouncer]\nlisten_addr=127.0.0.1\n"+
		"listen_port=%d\nunix_socket_dir=\nauth_type=trust\nauth_file=%s\npool_mode=transaction\ndefault_pool_size=2\n",
		c.Host, c.Port, port, users), 0o644))
	args := []string{"-q", file}
	if os.Getuid() == 0 {
		info, err := os.Stat(c.Host) // the folder of the socket, which only the server's user may enter
		must(t, err)
		owner, err := user.LookupId(fmt.Sprint(info.Sys().(*syscall.Stat_t).Uid))
		must(t, err)
		args = append([]string{"-u", owner.Username}, args...)
	}
	pooler := exec.Command(program, args...)
	must(t, pooler.Start())
	t.Cleanup(func() { _ = pooler.Process.Kill(); _ = pooler.Wait() })
	url := fmt.Sprintf("postgres://%s@127.0.0.1:%d/%s", c.User, port, c.Database)
	for range 200 {
		conn, err := pgx.Connect(t.Context(), url+"?default_query_exec_mode=exec&connect_timeout=2")
		if err == nil {
			must(t, conn.Close(t.Context()))
			return url
		}
		time.Sleep(25 * time.Millisecond)
	}
	t.Fatal("pgbouncer does not answer")
	return ""
}

// Through a pooler that gives each transaction another server process, every statement
// sees its own tenant, and the parameters of the connection hold.
func TestPooler(t *testing.T) {
	t.Parallel()
	f := newLeads(t)
	url := pgbouncer(t, f)
	db, err := moat.Open(t.Context(), url+"?search_path=app", &moat.Options{MaxConns: 8, StatementTimeout: time.Second})
	must(t, err)
	defer db.Close()
	var foreign, done atomic.Int64
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			own := []moat.Tenant{tenantA, tenantB}[g%2]
			for range 100 {
				var seen string
				err := db.QueryRow(as(own), "select current_setting('app.current_tenant') where $1 > 0", 1).Scan(&seen)
				if err != nil {
					t.Error(err)
					return
				}
				if seen != string(own) {
					foreign.Add(1)
				}
				done.Add(1)
			}
		})
	}
	wg.Wait()
	if foreign.Load() != 0 || done.Load() != 800 {
		t.Errorf("%d foreign of %d", foreign.Load(), done.Load())
	}
	var timeout, path string
	must(t, db.QueryRow(as(tenantA), "select current_setting('statement_timeout'), current_setting('search_path')").
		Scan(&timeout, &path))
	if timeout != "1s" || path != "app" {
		t.Errorf("statement_timeout %s, search_path %s", timeout, path)
	}
	if _, err := db.Exec(as(tenantA), "select pg_sleep(5)"); err == nil || !strings.Contains(err.Error(), "57014") {
		t.Errorf("a statement beyond its time: %v", err)
	}
	conn, err := moat.Connect(t.Context(), url)
	must(t, err)
	must(t, conn.Close(t.Context()))
	_, err = moat.Open(t.Context(), url, &moat.Options{Sealer: boundSealer{}})
	if !errors.Is(err, moat.ErrPoolerHidesProcess) {
		t.Errorf("signatures for one process: %v", err)
	}
}

// boundSealer signs for one server process.
type boundSealer struct{ moat.Sealer }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
