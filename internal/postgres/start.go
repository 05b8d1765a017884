package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// transientError marks a failed start that is worth another try.
type transientError struct{ error }

func (e transientError) Unwrap() error { return e.error }

func start(ctx context.Context, opts Options, acct *account, inst Installation) (_ *Server, err error) {
	sweep(opts.Temp)
	f, err := openFolder(opts, acct)
	if err != nil {
		return nil, err
	}
	s := &Server{install: inst, folder: f}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.tearDown())
		}
	}()
	// Before there is anything to clean up.
	if s.reaper, err = startReaper(f); err != nil {
		return nil, err
	}
	if err := prepareData(ctx, inst, f, acct); err != nil {
		return nil, err
	}
	if err := s.bringUp(ctx, opts, acct); err != nil {
		return nil, err
	}
	s.stop = sync.OnceValue(s.tearDown)
	return s, nil
}

// bringUp launches the server until it is ready, again where the cause passes: the
// folder's last server is still on its way down, or the free port was taken.
func (s *Server) bringUp(ctx context.Context, opts Options, acct *account) error {
	ctx, cancel := context.WithTimeout(ctx, opts.StartTimeout)
	defer cancel()
	deadline := time.Now().Add(fastPatience)
	for {
		err := s.tryUp(ctx, opts, acct)
		if !errors.As(err, &transientError{}) || time.Now().After(deadline) {
			return err
		}
		if err := sleep(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}

func (s *Server) tryUp(ctx context.Context, opts Options, acct *account) error {
	if err := s.choosePort(opts.Listen); err != nil {
		return err
	}
	// For our eyes only: the log can hold row values.
	log, err := os.OpenFile(s.folder.log, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("start postgres: %w", err)
	}
	defer log.Close()
	if s.process, err = launch(s.command(opts, acct, log)); err != nil {
		return fmt.Errorf("start postgres: %w", err)
	}
	s.process.owner = s
	if err := s.reaper.watch(s.process.pid); err != nil {
		return fmt.Errorf("start postgres: %w", err)
	}
	return s.waitReady(ctx)
}

func (s *Server) command(opts Options, acct *account, log *os.File) *exec.Cmd {
	settings := s.settings()
	maps.Copy(settings, opts.Settings)
	args := []string{"-D", s.folder.data}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		args = append(args, "-c", name+"="+settings[name])
	}
	cmd := exec.Command(filepath.Join(s.install.Bin, "postgres"), args...)
	cmd.Dir = "/"
	cmd.Env = serverEnv(s.install.Bin)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = serverAttributes(acct)
	return cmd
}

func (s *Server) settings() map[string]string {
	host, _, _ := net.SplitHostPort(s.address) // empty without an address
	settings := map[string]string{
		"listen_addresses":        host,
		"port":                    strconv.Itoa(s.port),
		"unix_socket_directories": s.folder.socket,
		"unix_socket_permissions": "0700",
		"logging_collector":       "off",
		"log_destination":         "stderr",
	}
	if !s.folder.kept {
		// Nobody misses these files after a power cut.
		settings["fsync"] = "off"
		settings["full_page_writes"] = "off"
	}
	return settings
}

// waitReady waits for the server to say that it accepts connections. Only the pid
// file with our child's own pid counts: a killed server leaves its file behind.
func (s *Server) waitReady(ctx context.Context) error {
	for {
		if file := readPidFile(s.folder.data); file.ready && file.pid == s.process.pid {
			return nil
		}
		select {
		case <-s.process.done:
			return s.explainExit()
		case <-ctx.Done():
			return fmt.Errorf("start postgres: %w: %s", ctx.Err(), s.logTail())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// explainExit turns the log of a server that ended during its start into an error.
// The texts compared are stable: the server runs with LC_ALL=C.
func (s *Server) explainExit() error {
	tail := s.logTail()
	switch {
	case strings.Contains(tail, `lock file "postmaster.pid" already exists`),
		strings.Contains(tail, "pre-existing shared memory block"):
		return transientError{fmt.Errorf("%w: %s", ErrInUse, filepath.Dir(s.folder.data))}
	case strings.Contains(tail, "Address already in use"):
		return transientError{fmt.Errorf("start postgres: %s: address already in use", s.address)}
	}
	return fmt.Errorf("start postgres: %w: %s", s.process.err, tail)
}

func (s *Server) logTail() string {
	f, err := os.Open(s.folder.log)
	if err != nil {
		return ""
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size() > 4096 {
		_, _ = f.Seek(-4096, io.SeekEnd) // on failure the beginning has to do
	}
	text, _ := io.ReadAll(f)
	return lastLines(string(text), 5)
}

// tearDown undoes whatever part of a start was done.
func (s *Server) tearDown() error {
	var errs []error
	if s.process != nil {
		errs = append(errs, s.process.stop())
	}
	errs = append(errs, s.folder.close())
	if s.reaper != nil {
		errs = append(errs, s.reaper.close())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("stop postgres: %w", err)
	}
	return nil
}

// choosePort sets port and address. PostgreSQL cannot ask the kernel for a free
// port itself, so one is found here; if another program takes it first, the server
// fails to bind and the start is tried again with the next.
func (s *Server) choosePort(listen string) error {
	s.port, s.address = socketPort, ""
	if listen == "" {
		return nil
	}
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	defer l.Close()
	s.address = l.Addr().String()
	s.port = l.Addr().(*net.TCPAddr).Port
	return nil
}

// checkListen refuses addresses that other machines can reach.
func checkListen(listen string) error {
	if listen == "" {
		return nil
	}
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return fmt.Errorf("listen address: %w", err)
	}
	if ip, err := netip.ParseAddr(host); host != "localhost" && (err != nil || !ip.IsLoopback()) {
		return fmt.Errorf("listen address %s is not on loopback (127.0.0.1, ::1 or localhost)", listen)
	}
	return nil
}
