package postgres

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/moat-db/moat/internal/filelock"
)

const (
	runPrefix  = "moat-pg-"
	socketPort = 5432 // names the socket when nothing listens on TCP
)

// folder is where one server lives. The run folder is always temporary: it holds
// the socket, and the data too when the server is ephemeral.
type folder struct {
	run    string
	socket string
	data   string
	log    string
	kept   bool
	locks  []*os.File
}

// openFolder makes the run folder and, for a kept server, takes the data folder.
func openFolder(opts Options, acct *account) (*folder, error) {
	f, err := newRunFolder(opts.Temp, acct)
	if err != nil {
		return nil, err
	}
	if opts.Dir == "" {
		return f, nil
	}
	if err := f.keepIn(opts.Dir, acct); err != nil {
		return nil, errors.Join(err, f.close())
	}
	return f, nil
}

// newRunFolder makes, locks and opens up a folder under the first temporary folder
// whose path is short enough and that the server's user may enter.
func newRunFolder(temp string, acct *account) (*folder, error) {
	var problems []error
	for _, parent := range tempFolders(temp) {
		if err := usableParent(parent, acct); err != nil {
			problems = append(problems, err)
			continue
		}
		f, err := newRunFolderIn(parent, acct)
		if err == nil {
			return f, nil
		}
		problems = append(problems, err)
	}
	return nil, fmt.Errorf("make a folder for the server: %w", errors.Join(problems...))
}

// tempFolders are the parents that run folders are made in, the first that will do,
// and swept from.
func tempFolders(temp string) []string {
	var parents []string
	for _, parent := range []string{temp, os.TempDir(), "/tmp"} {
		parent = filepath.Clean(parent)
		if filepath.IsAbs(parent) && !slices.Contains(parents, parent) {
			parents = append(parents, parent)
		}
	}
	return parents
}

func usableParent(parent string, acct *account) error {
	longest := filepath.Join(parent, runPrefix+"4294967295", "socket", ".s.PGSQL.65535")
	if len(longest) > maxSocketPath {
		return fmt.Errorf("%s is too long for a socket", parent)
	}
	return acct.canEnter(parent)
}

func newRunFolderIn(parent string, acct *account) (*folder, error) {
	for range 10 {
		run, err := os.MkdirTemp(parent, runPrefix)
		if err != nil {
			return nil, err
		}
		lock, err := tryLock(filepath.Join(run, "lock"))
		if errors.Is(err, filelock.ErrLocked) {
			continue // a sweep was faster and removes it
		}
		if err != nil {
			return nil, errors.Join(err, os.RemoveAll(run))
		}
		f := &folder{run: run, locks: []*os.File{lock}, socket: filepath.Join(run, "socket"),
			data: filepath.Join(run, "data"), log: filepath.Join(run, "log")}
		if err := f.openUp(acct); err != nil {
			return nil, errors.Join(err, f.close())
		}
		return f, nil
	}
	return nil, errors.New("every new folder was swept away")
}

// openUp lets the server's user through the run folder, which stays ours, and gives
// it a socket folder that nobody else can enter: the socket trusts whoever connects.
func (f *folder) openUp(acct *account) error {
	if err := os.Mkdir(f.socket, 0o700); err != nil {
		return err
	}
	if acct == nil {
		return nil
	}
	return errors.Join(acct.give(f.socket), os.Chmod(f.run, 0o711))
}

// keepIn moves data and log to dir and locks it against a second server.
func (f *folder) keepIn(dir string, acct *account) error {
	if err := makeShared(dir); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	if err := acct.canEnter(dir); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	if err := checkContents(dir); err != nil {
		return err
	}
	lock, err := tryLock(filepath.Join(dir, "lock"))
	if errors.Is(err, filelock.ErrLocked) {
		return fmt.Errorf("%w: %s", ErrInUse, dir)
	}
	if err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	f.kept, f.data, f.log = true, filepath.Join(dir, "data"), filepath.Join(dir, "log")
	f.locks = append(f.locks, lock)
	return nil
}

// checkContents refuses a folder of something else, so that a mistyped path does
// not get a database cluster among its files.
func checkContents(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	for _, e := range entries {
		switch e.Name() {
		case "data", "lock", "log", "data.new":
		default:
			return fmt.Errorf("data folder %s already holds other files (%s)", dir, e.Name())
		}
	}
	return nil
}

// close removes the run folder, then releases the locks: in this order no sweep
// sees a folder that is ours and unlocked.
func (f *folder) close() error {
	err := os.RemoveAll(f.run)
	for _, lock := range f.locks {
		lock.Close()
	}
	return err
}

// sweep removes the run folders whose process has died and could not clean up: the
// machine lost power, or the reaper was killed too. It is best effort.
func sweep(temp string) {
	for _, parent := range tempFolders(temp) {
		runs, _ := filepath.Glob(filepath.Join(parent, runPrefix+"*"))
		for _, run := range runs {
			sweepRun(run)
		}
	}
}

func sweepRun(run string) {
	info, err := os.Lstat(run)
	if err != nil || !info.IsDir() {
		return
	}
	// Never act on what another user has put there.
	if uid, _ := ownerOf(info); int(uid) != os.Geteuid() {
		return
	}
	lockPath := filepath.Join(run, "lock")
	if _, err := os.Lstat(lockPath); err != nil && time.Since(info.ModTime()) < time.Minute {
		return // just made, about to be locked
	}
	lock, err := tryLock(lockPath)
	if err != nil {
		return
	}
	defer lock.Close()
	data := filepath.Join(run, "data")
	if pid := readPidFile(data).pid; serves(pid, data) {
		killServer(pid, data)
	}
	os.RemoveAll(run)
}
