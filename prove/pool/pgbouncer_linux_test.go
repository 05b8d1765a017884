package pool_test

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/prove/internal/shop"
	"github.com/moat-db/moat/prove/provetest"
)

// TestPoolThroughPgBouncer attacks moat's pool behind a pooler that gives each
// transaction another server connection. Without pgbouncer it says so and tries
// nothing.
func TestPoolThroughPgBouncer(t *testing.T) {
	t.Parallel()
	binary, err := exec.LookPath("pgbouncer")
	if err != nil {
		t.Log("pgbouncer is not installed: not tried")
		return
	}
	f := shop.New(t, crowd)
	via := bouncer(t, binary, f.As(t, f.App))
	acquire, query := moatPool(t, via, moat.Options{})
	provetest.Pool(t, acquire, query, poolOptions())
}

// bouncer starts pgbouncer in transaction mode in front of the server of the URL and
// returns the URL through it.
func bouncer(t *testing.T, binary, behind string) string {
	t.Helper()
	cfg, err := pgx.ParseConfig(behind)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "moatpgb")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	password := ""
	if cfg.Password != "" {
		password = " password=" + cfg.Password
	}
	ini := fmt.Sprintf("[databases]\n* = host=%s port=%d user=%s%s\n[pgbouncer]\nlisten_addr =\nlisten_port = "+
		"6543\nunix_socket_dir = %s\nauth_type = any\npool_mode = transaction\ndefault_pool_size = "+
		"2\nignore_startup_parameters = extra_float_digits,statement_timeout,application_name\n",
		cfg.Host, cfg.Port, cfg.User, password, dir)
	if err := os.WriteFile(filepath.Join(dir, "pgbouncer.ini"), []byte(ini), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, filepath.Join(dir, "pgbouncer.ini"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if os.Getuid() == 0 {
		asPostgres(t, cmd, dir)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	waitForSocket(t, filepath.Join(dir, ".s.PGSQL.6543"))
	q := url.Values{"host": {dir}, "port": {"6543"}, "user": {cfg.User}, "default_query_exec_mode": {"exec"}}
	return "postgres:///" + cfg.Database + "?" + q.Encode()
}

// asPostgres runs the command as an account that pgbouncer accepts: it refuses root.
func asPostgres(t *testing.T, cmd *exec.Cmd, dir string) {
	t.Helper()
	u, err := user.Lookup("postgres")
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	if err := os.Chown(dir, uid, gid); err != nil {
		t.Fatal(err)
	}
	cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

func waitForSocket(t *testing.T, path string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		if c, err := net.Dial("unix", path); err == nil {
			_ = c.Close()
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal("pgbouncer did not start")
}
