package postgres

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestKeptFolderSurvives(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(sharedFolder(t), "a", "kept")
	first := mustStart(t, Options{Dir: dir})
	url := first.URL("postgres", Superuser)
	execSQL(t, url, "CREATE TABLE leads (id int); INSERT INTO leads VALUES (42)")
	if got := query(t, url, "SELECT current_setting('fsync')"); got != "on" {
		t.Errorf("fsync is %s on data to keep", got)
	}
	if err := first.Stop(); err != nil {
		t.Fatal(err)
	}
	if exists(first.folder.run) {
		t.Error("the run folder is still there")
	}
	second := mustStart(t, Options{Dir: dir})
	if got := query(t, second.URL("postgres", Superuser), "SELECT id::text FROM leads"); got != "42" {
		t.Errorf("found %s, want 42", got)
	}
}

func TestKeptFolderServesOneServer(t *testing.T) {
	t.Parallel()
	dir := sharedFolder(t)
	s := mustStart(t, Options{Dir: dir})
	_, err := Start(t.Context(), Options{Dir: dir})
	if !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), dir) {
		t.Errorf("second start: %v, want ErrInUse with the folder", err)
	}
	if got := query(t, s.URL("postgres", Superuser), "SELECT 'here'"); got != "here" {
		t.Errorf("the first server says %q after the second start", got)
	}
}

// A killed server leaves postmaster.pid behind, which must neither pass for a ready
// server nor stop the next start.
func TestStartOverALeftoverPidFile(t *testing.T) {
	t.Parallel()
	dir := sharedFolder(t)
	first := mustStart(t, Options{Dir: dir})
	execSQL(t, first.URL("postgres", Superuser), "CREATE TABLE leads (id int); INSERT INTO leads VALUES (42)")
	signal(first.process.pid, syscall.SIGKILL)
	<-first.Done()
	if !readPidFile(first.folder.data).ready {
		t.Fatal("no ready pid file is left: this test shows nothing")
	}
	if err := first.Stop(); err != nil {
		t.Errorf("stop after the server was killed: %v", err)
	}
	second := mustStart(t, Options{Dir: dir})
	if got := query(t, second.URL("postgres", Superuser), "SELECT id::text FROM leads"); got != "42" {
		t.Errorf("found %s, want 42", got)
	}
}

// The next start waits for a server whose owner was killed a moment ago.
func TestStartRightAfterTheOwnerIsKilled(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("left to the full run") // short: TestNothingStaysAfterTheOwnerDies
	}
	for _, as := range users() {
		t.Run(as.name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(sharedFolder(t), "kept")
			o := startOwner(t, "wait", as, "MOAT_POSTGRES_TEST_DIR="+dir)
			signal(o.cmd.Process.Pid, syscall.SIGKILL)
			o.wait()
			next := startOwner(t, "exit", as, "MOAT_POSTGRES_TEST_DIR="+dir)
			next.wait()
			eventually(t, "both servers end", func() bool { return !serves(o.Pid, o.Data) && !serves(next.Pid, next.Data) })
			eventually(t, "both run folders go", func() bool { return !exists(o.Run) && !exists(next.Run) })
			if dataMajor(o.Data) == 0 {
				t.Error("the kept data is gone")
			}
		})
	}
}

// Data that an ordinary user made runs under that user's id when root starts it.
func TestKeptFolderKeepsItsOwner(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("left to the full run") // short: TestKeptFolderSurvives
	}
	all := users()
	dir := filepath.Join(sharedFolder(t), "kept")
	first := startOwner(t, "exit", all[len(all)-1], "MOAT_POSTGRES_TEST_DIR="+dir)
	first.wait()
	s := mustStart(t, Options{Dir: dir})
	if got := query(t, s.URL("postgres", Superuser), "SELECT 'here'"); got != "here" {
		t.Errorf("got %q", got)
	}
}

func TestKeptFolderOfSomethingElseIsRefused(t *testing.T) {
	t.Parallel()
	dir := sharedFolder(t)
	if err := os.WriteFile(filepath.Join(dir, "letter.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(t.Context(), Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), "letter.txt") {
		t.Errorf("start: %v, want an error that names the file", err)
	}
}

func TestKeptFolderOfAnotherMajorIsRefused(t *testing.T) {
	t.Parallel()
	dir := sharedFolder(t)
	if err := os.Mkdir(filepath.Join(dir, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "data", "PG_VERSION"), []byte("14\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Start(t.Context(), Options{Dir: dir, Major: 15})
	if err == nil || !strings.Contains(err.Error(), "made by PostgreSQL 14, not 15") {
		t.Errorf("start: %v", err)
	}
}

// A folder that the server's user cannot enter is named, instead of initdb's riddle.
func TestKeptFolderOutOfReachIsNamed(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		return // an ordinary user's server reaches what the user reaches
	}
	closed := sharedFolder(t)
	if err := os.Chmod(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := Start(t.Context(), Options{Dir: filepath.Join(closed, "kept")})
	if err == nil || !strings.Contains(err.Error(), "may not enter "+closed) {
		t.Errorf("start: %v, want the closed folder", err)
	}
}
