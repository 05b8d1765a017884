package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// server is one server under test, as a process.
type server struct {
	name    string // also the application_name of its connections
	label   string // in the table
	address string
	// list and point are the requests of a caller.
	list, point func(caller) []byte

	cmd  *exec.Cmd
	tail tail
}

// start runs a command that will serve at s.address, and waits until it answers.
func (s *server) start(ctx context.Context, name string, args []string, env ...string) error {
	s.cmd = exec.CommandContext(ctx, name, args...)
	s.cmd.Env = append(os.Environ(), env...)
	s.cmd.Stdout, s.cmd.Stderr = &s.tail, &s.tail
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		return err
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		// Any answer will do: the requests are tried before they are counted.
		if answer, err := http.Get("http://" + s.address + "/healthz"); err == nil {
			return answer.Body.Close()
		}
		if ctx.Err() != nil || time.Now().After(deadline) {
			s.stop()
			return fmt.Errorf("%s does not answer: %s", s.label, s.tail.String())
		}
	}
}

// stop ends the process.
func (s *server) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM) // it may have ended by itself
	ended := time.AfterFunc(5*time.Second, func() { _ = s.cmd.Process.Kill() })
	defer ended.Stop()
	_ = s.cmd.Wait() // how it ended does not matter any more
}

// processorTime is what the server has used so far, and what its backends have.
func (s *server) processorTime(ctx context.Context, admin *pgx.Conn) (own, backends time.Duration, err error) {
	if own, err = processTime(s.cmd.Process.Pid); err != nil {
		return 0, 0, err
	}
	rows, _ := admin.Query(ctx, "select pid from pg_stat_activity where application_name = $1", s.name)
	pids, err := pgx.CollectRows(rows, pgx.RowTo[int])
	if err != nil {
		return 0, 0, err
	}
	for _, pid := range pids {
		used, err := processTime(pid)
		if err != nil {
			return 0, 0, err
		}
		backends += used
	}
	return own, backends, nil
}

// freeAddress is a loopback address that nothing listens on at the moment.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// tail keeps the end of what a process printed.
type tail struct {
	mu   sync.Mutex
	text []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if n := len(t.text); n > 8<<10 {
		t.text = append(t.text[:0], t.text[n-2<<10:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.text))
}
