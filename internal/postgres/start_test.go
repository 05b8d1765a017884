package postgres

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

func mustStart(t *testing.T, opts Options) *Server {
	t.Helper()
	if opts.Temp == "" {
		opts.Temp = MemoryDir()
	}
	s, err := Start(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Stop() })
	return s
}

// query returns the one value of a query, as text.
func query(t *testing.T, url, sql string) string {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	var value string
	if err := conn.QueryRow(ctx, sql).Scan(&value); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return value
}

func execSQL(t *testing.T, url, sql string) {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.PgConn().Exec(ctx, sql).ReadAll(); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func TestStartServesOverTheSocketOnly(t *testing.T) {
	t.Parallel()
	s := mustStart(t, Options{Settings: map[string]string{"work_mem": "7MB"}})
	url := s.URL("postgres", Superuser)
	for setting, want := range map[string]string{
		"listen_addresses": "", "fsync": "off", "work_mem": "7MB", "server_encoding": "UTF8",
		"lc_messages": "C", "unix_socket_directories": s.SocketDir(), "TimeZone": "UTC",
	} {
		if got := query(t, url, "SELECT current_setting('"+setting+"')"); got != want {
			t.Errorf("%s is %q, want %q", setting, got, want)
		}
	}
	if s.Address() != "" {
		t.Errorf("address %q without a listener", s.Address())
	}
	if info, err := os.Stat(s.SocketDir()); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("socket folder %v, %v; others must not enter it", info.Mode(), err)
	}
	if info, err := os.Stat(s.LogFile()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("log %v, %v; others must not read it", info.Mode(), err)
	}
}

func TestStopLeavesNothing(t *testing.T) {
	t.Parallel()
	s := mustStart(t, Options{})
	open, err := pgx.Connect(t.Context(), s.URL("postgres", Superuser))
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close(context.Background())
	for range 2 { // a second stop is the first's result
		if err := s.Stop(); err != nil {
			t.Errorf("stop: %v", err)
		}
	}
	select {
	case <-s.Done():
	default:
		t.Error("Done is open after Stop")
	}
	if exists(s.folder.run) || serves(s.process.pid, s.folder.data) {
		t.Error("the server or its folder is still there")
	}
}

// The server of a caller that drops its Server runs on: the garbage collector must
// not close the reaper's pipe.
func TestServerRunsWhenNobodyHoldsIt(t *testing.T) {
	t.Parallel()
	url, pid, run := func() (string, int, string) {
		s, err := Start(t.Context(), Options{})
		if err != nil {
			t.Fatal(err)
		}
		return s.URL("postgres", Superuser), s.process.pid, s.folder.run
	}()
	for range 3 {
		runtime.GC()
		time.Sleep(20 * time.Millisecond) // finalizers run on their own goroutine
	}
	if got := query(t, url, "SELECT 'here'"); got != "here" {
		t.Errorf("got %q", got)
	}
	signal(pid, syscall.SIGINT)
	eventually(t, "server and folder go", func() bool {
		runtime.GC() // now the pipe may close
		return !exists(run)
	})
}

func TestStartErrorShowsTheLog(t *testing.T) {
	t.Parallel()
	temp := sharedFolder(t)
	_, err := Start(t.Context(), Options{Temp: temp, Settings: map[string]string{"no_such_setting": "1"}})
	if err == nil || !strings.Contains(err.Error(), `unrecognized configuration parameter "no_such_setting"`) {
		t.Errorf("error %v does not say what the server said", err)
	}
	if err != nil && strings.Contains(err.Error(), "\n") {
		t.Errorf("error has several lines: %q", err)
	}
	if left, _ := filepath.Glob(filepath.Join(temp, "*")); len(left) != 0 {
		t.Errorf("a failed start left %v", left)
	}
}

func TestStartEndsWithItsContext(t *testing.T) {
	t.Parallel()
	temp := sharedFolder(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Start(ctx, Options{Temp: temp, Bin: foundBin(t)}); !errors.Is(err, context.Canceled) && err == nil {
		t.Error("started in a cancelled context")
	}
	if left, _ := filepath.Glob(filepath.Join(temp, "*")); len(left) != 0 {
		t.Errorf("a cancelled start left %v", left)
	}
}

func TestListenOnLoopbackWithPassword(t *testing.T) {
	t.Parallel()
	s := mustStart(t, Options{Listen: "127.0.0.1:0"})
	execSQL(t, s.URL("postgres", Superuser), "CREATE ROLE visitor LOGIN PASSWORD 'secret'")
	if got := query(t, "postgres://visitor:secret@"+s.Address()+"/postgres",
		"SELECT current_user::text"); got != "visitor" {
		t.Errorf("connected as %q", got)
	}
	for _, user := range []string{"visitor", "visitor:wrong", Superuser} {
		conn, err := pgx.Connect(t.Context(), "postgres://"+user+"@"+s.Address()+"/postgres")
		if err == nil {
			conn.Close(t.Context())
			t.Errorf("%s connected over TCP without the password", user)
		}
	}
}

func TestListenRefusesOtherAddresses(t *testing.T) {
	t.Parallel()
	for _, listen := range []string{"0.0.0.0:0", ":0", "[::]:5432", "192.0.2.1:5432", "example.com:5432", "127.0.0.1"} {
		if _, err := Start(t.Context(), Options{Listen: listen}); err == nil ||
			!strings.Contains(err.Error(), "listen address") {
			t.Errorf("listen on %q: %v", listen, err)
		}
	}
}

func TestListenOnATakenPort(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := Start(t.Context(), Options{Listen: l.Addr().String()}); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("error %v, want address already in use", err)
	}
}

func foundBin(t *testing.T) string {
	t.Helper()
	inst, err := Find(context.Background(), "", 0)
	if err != nil {
		t.Fatal(err)
	}
	return inst.Bin
}
