package postgres

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	signals "os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/moat-db/moat/internal/printed"
)

// childEnv makes this test binary start a server and then die in the way named.
const childEnv = "MOAT_POSTGRES_TEST_CHILD"

// report is what a child prints about its server.
type report struct {
	Pid, Reaper int
	Run, Data   string
}

func TestMain(m *testing.M) {
	if way := os.Getenv(childEnv); way != "" {
		if err := child(way); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(3)
		}
		os.Exit(0)
	}
	os.Exit(run(m))
}

// common is made once for all tests: a copy of this test binary that every user may
// run, since go test builds it where only its own user can enter, and a cache for
// the users that have none.
var common struct{ binary, cache string }

func run(m *testing.M) int {
	handleSignals()
	dir, err := os.MkdirTemp("/tmp", "moat-test-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	common.binary, common.cache = filepath.Join(dir, "postgres.test"), filepath.Join(dir, "cache")
	self, err := os.Executable()
	if err == nil {
		err = errors.Join(copyFile(self, common.binary, false), os.Chmod(common.binary, 0o755),
			os.Mkdir(common.cache, 0o700), os.Chmod(common.cache, 0o777), os.Chmod(dir, 0o755))
	}
	if err != nil {
		panic(err)
	}
	return m.Run()
}

// handleSignals takes back that a signal is ignored, as under nohup: children would
// inherit that, and a test waits for one to end by it. A signal that is handled is its
// default again in a child.
func handleSignals() {
	for _, s := range []os.Signal{syscall.SIGHUP, syscall.SIGINT} {
		if signals.Ignored(s) {
			signals.Notify(make(chan os.Signal, 1), s)
		}
	}
}

func child(way string) error {
	s, err := Start(context.Background(), Options{Dir: os.Getenv("MOAT_POSTGRES_TEST_DIR")})
	if err != nil {
		return err
	}
	r := report{Pid: s.process.pid, Reaper: s.reaper.cmd.Process.Pid, Run: s.folder.run, Data: s.folder.data}
	if err := json.NewEncoder(os.Stdout).Encode(r); err != nil {
		return err
	}
	switch way {
	case "exit":
		return nil
	case "panic":
		panic("on purpose")
	case "wait":
		<-s.Done()
	}
	return nil
}

// runAs is a user that a child runs as.
type runAs struct {
	name string
	attr *syscall.SysProcAttr
}

// users are the users that this process can run a child as.
func users() []runAs {
	all := []runAs{{"self", &syscall.SysProcAttr{}}}
	if os.Geteuid() == 0 {
		all = append(all, runAs{"nobody", detached(&account{name: "nobody", uid: 65534, gid: 65534})})
		if nameless := detached(&account{name: "nameless", uid: 54321, gid: 54321}); namespaces(nameless) {
			all = append(all, runAs{"nameless", nameless})
		}
	}
	return all
}

// namespaces reports whether the kernel lets a user make user namespaces; container
// runtimes often forbid it, and then a user without a name has no server.
func namespaces(attr *syscall.SysProcAttr) bool {
	cmd := exec.Command("unshare", "--user", "true")
	cmd.SysProcAttr = attr
	return cmd.Run() == nil
}

// owner is a child process that owns a server.
type owner struct {
	report
	cmd  *exec.Cmd
	rest *bufio.Reader
}

func startOwner(t *testing.T, way string, as runAs, env ...string) owner {
	t.Helper()
	cmd := exec.Command(common.binary)
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), childEnv+"="+way, "TMPDIR="+sharedFolder(t),
		CacheEnv+"="+filepath.Join(common.cache, as.name))
	cmd.Env = append(cmd.Env, env...)
	cmd.SysProcAttr = as.attr
	var stderr printed.Output
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	o := owner{cmd: cmd, rest: bufio.NewReader(out)}
	t.Cleanup(func() { cmd.Process.Kill() })
	line, err := o.rest.ReadBytes('\n')
	if err != nil {
		cmd.Wait()
		t.Fatalf("child: %v\n%s", err, stderr.String())
	}
	if err := json.Unmarshal(line, &o.report); err != nil {
		t.Fatal(err)
	}
	return o
}

func (o owner) wait() {
	io.Copy(io.Discard, o.rest)
	o.cmd.Wait()
}

// sharedFolder is a temporary folder that every user may enter and write to. Those
// of [testing.T.TempDir] are their owner's, and too long for a socket.
func sharedFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp(tempDir(), "moat-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	return dir
}

func tempDir() string {
	if dir := MemoryDir(); dir != "" {
		return dir
	}
	return "/tmp"
}

// eventually polls until done reports true.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("gave up waiting: %s", what)
		}
	}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
