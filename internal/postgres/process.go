package postgres

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// How long each signal of a stop may take before the next, harder one.
const (
	fastPatience      = 10 * time.Second
	immediatePatience = 5 * time.Second
)

// process is a running postgres.
type process struct {
	pid  int
	done chan struct{} // closed when it has ended and been waited for
	err  error         // how it ended; read after done

	// owner keeps the reaper's pipe and the locks from being collected, and so
	// closed, while the server runs and nobody holds the Server.
	owner *Server
}

// launch runs cmd on a thread of its own. The kernel ties the child to the thread
// that forked it, so that thread must live, locked, as long as the child does.
func launch(cmd *exec.Cmd) (*process, error) {
	p := &process{done: make(chan struct{})}
	started := make(chan error)
	go p.run(cmd, started)
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

func (p *process) run(cmd *exec.Cmd, started chan<- error) {
	// Never unlocked: the thread ends with this goroutine, after the child.
	runtime.LockOSThread()
	if err := cmd.Start(); err != nil {
		started <- err
		return
	}
	p.pid = cmd.Process.Pid
	started <- nil
	p.err = cmd.Wait()
	close(p.done)
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// stop asks for a fast shutdown, then an immediate one, then kills (PostgreSQL 17
// manual, 18.5).
func (p *process) stop() error {
	if p.stopWith(syscall.SIGINT, fastPatience) || p.stopWith(syscall.SIGQUIT, immediatePatience) {
		return nil
	}
	if p.stopWith(syscall.SIGKILL, immediatePatience) {
		return errors.New("the server had to be killed")
	}
	return errors.New("the server does not end")
}

// stopWith signals and reports whether the process ended in time. The process is
// our own child, not waited for until done, so its id cannot be another's.
func (p *process) stopWith(sig syscall.Signal, patience time.Duration) bool {
	if p.ended() {
		return true
	}
	signal(p.pid, sig)
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-p.done:
		return true
	case <-timer.C:
		return false
	}
}

// killServer ends the server of a folder whose owner has died.
func killServer(pid int, data string) {
	for _, sig := range []syscall.Signal{syscall.SIGQUIT, syscall.SIGKILL} {
		signal(pid, sig)
		for deadline := time.Now().Add(immediatePatience); time.Now().Before(deadline); {
			if !serves(pid, data) {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
}

// serverEnv is the whole environment of the server's programs: nothing of the
// caller's PG* variables, locale or time zone may change what they do.
func serverEnv(bin string) []string {
	return []string{"PATH=" + bin + string(os.PathListSeparator) + "/usr/local/bin:/usr/bin:/bin", "LC_ALL=C",
		"TZ=UTC", "HOME=/"}
}
