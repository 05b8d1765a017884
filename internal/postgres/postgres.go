// Package postgres runs a private PostgreSQL for demonstrations and tests.
//
// A server started here belongs to the process that started it: it listens on a
// Unix socket in a folder that only this user can enter, and it is gone when that
// process is, however the process ends. As root the server runs as an unprivileged
// user, because PostgreSQL refuses to run as root.
//
// Limits: connections over the socket are trusted, so every process of the same
// user (and root) can be superuser in it. An ephemeral server does not sync its
// files and loses them when it stops. Neither is meant for production. Windows is
// not supported.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// MinMajor is the oldest major version of PostgreSQL that moat supports.
const MinMajor = 14

// Superuser is the role that owns every server started by [Start].
const Superuser = "postgres"

// ErrInUse is returned by [Start] when another server runs in [Options].Dir.
var ErrInUse = errors.New("another server is running in this folder")

// Options says how to start a server. The zero value starts an ephemeral one from
// the newest installed binaries, reachable through its socket only.
type Options struct {
	// Bin is the folder that holds postgres and initdb. Empty means to look for
	// it as [Find] does.
	Bin string
	// Major is the major version demanded. Zero means the newest installed one,
	// or the one that made Dir.
	Major int
	// Download fetches a pinned build, as [Download] does, where Find finds none.
	// Bin, when set, is not replaced.
	Download bool
	// Dir keeps the data, synced, in this folder, which is made when missing.
	// Empty means an ephemeral folder that goes with the server.
	Dir string
	// Temp is the folder to make the server's temporary folder in: the socket's,
	// and an ephemeral server's data. Empty means the system's, or /tmp where
	// that one's path is too long for a socket or closed to the server's user.
	Temp string
	// Listen adds a TCP listener on a loopback address such as "127.0.0.1:0";
	// port 0 picks a free one. Clients there need a password. Empty means none.
	Listen string
	// Settings are added as run-time parameters and win over those set here.
	Settings map[string]string
	// StartTimeout bounds the wait for the server to be ready, crash recovery
	// included. Zero means one minute.
	StartTimeout time.Duration
}

// Server is a running PostgreSQL. Its methods may be called concurrently.
type Server struct {
	install Installation
	address string
	port    int
	folder  *folder
	process *process
	reaper  *reaper
	stop    func() error
}

// Start starts a server and returns when it accepts connections.
//
// ctx bounds the start only; the server then runs until [Server.Stop] or the end
// of this process. Errors: [ErrNotFound] without binaries, [ErrInUse] when the
// folder is taken, otherwise an error that carries the server's last log lines.
func Start(ctx context.Context, opts Options) (*Server, error) {
	if err := opts.check(); err != nil {
		return nil, err
	}
	acct, err := serverAccount(opts.data())
	if err != nil {
		return nil, err
	}
	inst, err := opts.installation(ctx)
	if err != nil {
		return nil, err
	}
	if err := acct.canEnter(inst.Bin); err != nil {
		return nil, fmt.Errorf("use PostgreSQL in %s: %w", inst.Bin, err)
	}
	return start(ctx, opts, acct, inst)
}

func (o *Options) check() error {
	if o.StartTimeout == 0 {
		o.StartTimeout = time.Minute
	}
	if o.Dir != "" {
		dir, err := filepath.Abs(o.Dir)
		if err != nil {
			return fmt.Errorf("data folder: %w", err)
		}
		o.Dir = dir
	}
	return checkListen(o.Listen)
}

// data is the kept data folder; empty for an ephemeral server.
func (o Options) data() string {
	if o.Dir == "" {
		return ""
	}
	return filepath.Join(o.Dir, "data")
}

// installation finds the binaries. A kept folder can only be opened by the major
// version that made it.
func (o Options) installation(ctx context.Context) (Installation, error) {
	major := o.Major
	if made := dataMajor(o.data()); made != 0 {
		if major != 0 && major != made {
			return Installation{}, fmt.Errorf("folder %s was made by PostgreSQL %d, not %d", o.Dir, made, major)
		}
		major = made
	}
	inst, err := Find(ctx, o.Bin, major)
	if o.Download && o.Bin == "" && errors.Is(err, ErrNotFound) {
		return Download(ctx, major)
	}
	return inst, err
}

// Major is the server's major version.
func (s *Server) Major() int { return s.install.Major }

// Version is the server's version as it states it, such as "15.18".
func (s *Server) Version() string { return s.install.Version }

// Bin is the folder of the server's programs.
func (s *Server) Bin() string { return s.install.Bin }

// SocketDir is the folder of the Unix socket: libpq's PGHOST.
func (s *Server) SocketDir() string { return s.folder.socket }

// Port is the number in the socket's name, and the TCP port where there is one:
// libpq's PGPORT.
func (s *Server) Port() int { return s.port }

// Address is the TCP address "host:port", or empty when there is no TCP listener.
func (s *Server) Address() string { return s.address }

// URL returns the connection string of a database and role over the socket. Both
// libpq and pgx take it.
func (s *Server) URL(database, role string) string {
	u := url.URL{Scheme: "postgres", User: url.User(role), Path: "/" + database, RawPath: "/" + url.PathEscape(database)}
	q := url.Values{"host": {s.folder.socket}, "port": {strconv.Itoa(s.port)}}
	u.RawQuery = q.Encode()
	return u.String()
}

// LogFile is the path of the server's log. It can hold row values; an ephemeral
// server's goes with it.
func (s *Server) LogFile() string { return s.folder.log }

// Done is closed when the server process has ended, for whatever reason.
func (s *Server) Done() <-chan struct{} { return s.process.done }

// Stop ends the server, first politely, then by force, and removes what an
// ephemeral one has written. Later calls wait for the first and return its result.
func (s *Server) Stop() error { return s.stop() }

// dataMajor reads the major version that made a data folder; 0 when it is none.
func dataMajor(data string) int {
	if data == "" {
		return 0
	}
	text, err := os.ReadFile(filepath.Join(data, "PG_VERSION"))
	if err != nil {
		return 0
	}
	return majorOf(string(text))
}
