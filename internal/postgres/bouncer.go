package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// BouncerOptions says how PgBouncer runs. Mode is required.
type BouncerOptions struct {
	Mode string // session or transaction
	Size int    // connections to the server; zero means 2
	// Ignore are start-up parameters that do not reach the server.
	Ignore []string
}

// Bouncer is a running PgBouncer; for tests and benchmarks only: whoever reaches its port
// is let in.
type Bouncer struct {
	URL string // through it, by TCP on loopback
	cmd *exec.Cmd
	dir string
}

// StartBouncer starts the installed PgBouncer in front of what the URL leads to, and
// returns when it answers.
func StartBouncer(ctx context.Context, behind string, o BouncerOptions) (*Bouncer, error) {
	program, err := findBouncer()
	if err != nil {
		return nil, err
	}
	c, err := pgx.ParseConfig(behind)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("/tmp", "moat-bouncer-")
	if err != nil {
		return nil, err
	}
	b := &Bouncer{dir: dir}
	if err := b.start(ctx, program, c, o); err != nil {
		b.Stop()
		return nil, err
	}
	return b, nil
}

// findBouncer looks beyond PATH too: Debian's is where many users do not look.
func findBouncer() (string, error) {
	if program, err := exec.LookPath("pgbouncer"); err == nil {
		return program, nil
	}
	const debian = "/usr/sbin/pgbouncer"
	if _, err := os.Stat(debian); err != nil {
		return "", errors.New("pgbouncer is not installed: scripts/tools all, or apt-get install pgbouncer")
	}
	return debian, nil
}

func (b *Bouncer) start(ctx context.Context, program string, c *pgx.ConnConfig, o BouncerOptions) error {
	port, err := freePort()
	if err != nil {
		return err
	}
	acct, err := serverAccount("")
	if err != nil {
		return err
	}
	file := filepath.Join(b.dir, "pgbouncer.ini")
	if err := os.WriteFile(file, []byte(o.ini(c, port)), 0o600); err != nil {
		return err
	}
	for _, path := range []string{b.dir, file} {
		if err := acct.give(path); err != nil {
			return err
		}
	}
	b.cmd = exec.Command(program, "-q", file)
	b.cmd.SysProcAttr = detached(acct)
	if err := b.cmd.Start(); err != nil {
		return err
	}
	b.URL = (&url.URL{Scheme: "postgres", User: url.UserPassword(c.User, "x"),
		Host: fmt.Sprintf("127.0.0.1:%d", port), Path: c.Database}).String()
	return b.wait(ctx, port)
}

func (o BouncerOptions) ini(c *pgx.ConnConfig, port int) string {
	password := ""
	if c.Password != "" {
		password = " password=" + c.Password
	}
	return fmt.Sprintf("[databases]\n* = host=%s port=%d user=%s%s\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"+
		"listen_port = %d\nunix_socket_dir =\nauth_type = any\npool_mode = %s\ndefault_pool_size = %d\n"+
		"ignore_startup_parameters = %s\n", c.Host, c.Port, c.User, password, port, o.Mode, max(2, o.Size),
		strings.Join(append(o.Ignore, "extra_float_digits"), ","))
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

func (b *Bouncer) wait(ctx context.Context, port int) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			return conn.Close()
		}
		if sleep(ctx, 20*time.Millisecond) != nil {
			return fmt.Errorf("pgbouncer does not answer: %w", err)
		}
	}
}

// PID is its process.
func (b *Bouncer) PID() int { return b.cmd.Process.Pid }

// Stop ends it.
func (b *Bouncer) Stop() {
	if b.cmd != nil && b.cmd.Process != nil {
		_ = b.cmd.Process.Kill() // it may have ended by itself
		_ = b.cmd.Wait()
	}
	_ = os.RemoveAll(b.dir)
}
