package postgres

import (
	_ "embed"
	"fmt"
	"os"
	"os/exec"
)

//go:embed reaper.sh
var reaperScript string

// reaper is a small shell that outlives this process just long enough to clean up
// after it. It wakes when the pipe closes, and the kernel closes the pipe in every
// kind of death, kill -9 included.
type reaper struct {
	cmd  *exec.Cmd
	pipe *os.File
}

func startReaper(f *folder) (*reaper, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start the reaper: %w", err)
	}
	defer r.Close()
	cmd := exec.Command("/bin/sh", "-c", reaperScript, "moat-reaper", f.data, f.run)
	cmd.Dir = "/"
	cmd.Env = serverEnv("/usr/sbin")
	cmd.Stdin = r
	// In its own session, and as ourselves: the run folder is ours to remove.
	cmd.SysProcAttr = detached(nil)
	if err := cmd.Start(); err != nil {
		w.Close()
		return nil, fmt.Errorf("start the reaper: %w", err)
	}
	return &reaper{cmd: cmd, pipe: w}, nil
}

// watch names the server to end. The last pid named counts.
func (r *reaper) watch(pid int) error {
	_, err := fmt.Fprintln(r.pipe, pid)
	return err
}

// close lets the reaper run and waits for it. After an orderly stop it finds
// nothing to do.
func (r *reaper) close() error {
	r.pipe.Close()
	return r.cmd.Wait()
}
