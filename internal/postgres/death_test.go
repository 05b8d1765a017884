package postgres

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// However the owner of a server dies, neither the server nor its folder stays.
func TestNothingStaysAfterTheOwnerDies(t *testing.T) {
	t.Parallel()
	deaths := []struct {
		name, way string
		sig       syscall.Signal
	}{
		{"kill -9", "wait", syscall.SIGKILL},
		{"ctrl-c", "wait", syscall.SIGINT},
		{"sigterm", "wait", syscall.SIGTERM},
		{"hangup", "wait", syscall.SIGHUP},
		{"panic", "panic", 0},
		{"exit", "exit", 0},
	}
	for i, as := range users() {
		for _, d := range deaths {
			t.Run(as.name+"/"+d.name, func(t *testing.T) {
				t.Parallel()
				if testing.Short() && i > 0 {
					t.Skip("left to the full run: the other users")
				}
				o := startOwner(t, d.way, as)
				if d.sig != 0 {
					signal(o.cmd.Process.Pid, d.sig)
				}
				o.wait()
				eventually(t, "the server ends", func() bool { return !serves(o.Pid, o.Data) })
				eventually(t, "the folder goes", func() bool { return !exists(o.Run) })
			})
		}
	}
}

// The kernel ends the server even when the reaper is killed too; the folder that
// then stays is swept by the next start.
func TestSweepAfterOwnerAndReaperAreKilled(t *testing.T) {
	t.Parallel()
	for i, as := range users() {
		t.Run(as.name, func(t *testing.T) {
			t.Parallel()
			if testing.Short() && i > 0 {
				t.Skip("left to the full run")
			}
			o := startOwner(t, "wait", as)
			signal(o.Reaper, syscall.SIGKILL)
			signal(o.cmd.Process.Pid, syscall.SIGKILL)
			o.wait()
			eventually(t, "the server ends", func() bool { return !serves(o.Pid, o.Data) })
			if !exists(o.Run) {
				t.Fatal("the folder is gone without a reaper: this test shows nothing")
			}
			next := startOwner(t, "exit", as, "TMPDIR="+filepath.Dir(o.Run))
			next.wait()
			if exists(o.Run) {
				t.Error("the next start left the stale folder")
			}
		})
	}
}

// The reaper alone ends a server, where the kernel does not do it.
func TestReaperEndsTheServer(t *testing.T) {
	t.Parallel()
	f, err := newRunFolder("", nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := startReaper(f)
	if err != nil {
		t.Fatal(err)
	}
	server := fakeServer(t, f.data)
	if err := r.watch(server.Process.Pid); err != nil {
		t.Fatal(err)
	}
	if err := r.close(); err != nil {
		t.Error(err)
	}
	if err := server.Wait(); err == nil {
		t.Error("the server ended by itself")
	}
	if exists(f.run) {
		t.Error("the run folder is still there")
	}
}

// A pid that has become another program's is left alone.
func TestReaperSparesOtherPrograms(t *testing.T) {
	t.Parallel()
	f, err := newRunFolder("", nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := startReaper(f)
	if err != nil {
		t.Fatal(err)
	}
	other := fakeServer(t, f.data+"-of-another")
	if err := r.watch(other.Process.Pid); err != nil {
		t.Fatal(err)
	}
	if err := r.close(); err != nil {
		t.Error(err)
	}
	if !serves(other.Process.Pid, f.data+"-of-another") {
		t.Error("the other program was killed")
	}
}

// fakeServer runs a shell whose command line names a data folder, as postgres's does.
func fakeServer(t *testing.T, data string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", "while :; do sleep 0.1; done", "postgres", "-D", data, "-c", "x=y")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	eventually(t, "the command line is there", func() bool { return serves(cmd.Process.Pid, data) })
	return cmd
}

func TestSweepLeavesFoldersAlone(t *testing.T) {
	t.Parallel()
	parent := sharedFolder(t)
	live, err := newRunFolderIn(parent, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer live.close()
	fresh := filepath.Join(parent, runPrefix+"fresh") // not locked yet
	if err := os.Mkdir(fresh, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, run := range []string{live.run, fresh} {
		sweepRun(run)
		if !exists(run) {
			t.Errorf("%s was swept", run)
		}
	}
}

func TestSweepRemovesStaleFolders(t *testing.T) {
	t.Parallel()
	parent := sharedFolder(t)
	old := filepath.Join(parent, runPrefix+"old") // never locked, long ago
	if err := os.Mkdir(old, 0o700); err != nil {
		t.Fatal(err)
	}
	hourAgo := time.Now().Add(-time.Hour)
	if err := os.Chtimes(old, hourAgo, hourAgo); err != nil {
		t.Fatal(err)
	}
	dead, err := newRunFolderIn(parent, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, lock := range dead.locks {
		lock.Close() // as the kernel does at the owner's death
	}
	for _, run := range []string{old, dead.run} {
		sweepRun(run)
		if exists(run) {
			t.Errorf("%s is still there", run)
		}
	}
}

// As root a sweep must not act on a folder that another user has put there.
func TestSweepIgnoresFoldersOfOthers(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		return // only root can make a folder of another user
	}
	run := filepath.Join(sharedFolder(t), runPrefix+"trap")
	if err := os.MkdirAll(filepath.Join(run, "data"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(run, "lock"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(run, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	sweepRun(run)
	if !exists(run) {
		t.Error("the folder of another user was removed")
	}
}
