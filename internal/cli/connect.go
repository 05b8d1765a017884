package cli

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat/internal/postgres"
)

// administer opens an administrating connection. The timeouts that a database or a role sets are for
// the application's statements, and not for those that read the catalog or the whole of a table.
func administer(ctx context.Context, url string) (*pgx.Conn, error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return nil, err
	}
	if err := postgres.Unhurried(ctx, conn); err != nil {
		_ = conn.Close(context.WithoutCancel(ctx))
		return nil, err
	}
	return conn, nil
}

// connect opens an administrating connection to the database that args or the environment name.
func (a *app) connect(ctx context.Context, args []string) (*pgx.Conn, error) {
	url, err := a.database(args)
	if err != nil {
		return nil, err
	}
	conn, err := administer(ctx, url)
	if err != nil {
		return nil, connectError(err)
	}
	return conn, nil
}

// onDatabase runs fn on such a connection.
func (a *app) onDatabase(ctx context.Context, args []string, fn func(*pgx.Conn) error) error {
	conn, err := a.connect(ctx, args)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return fn(conn)
}

// connectError says the one thing that is wrong with a connection, without the connection
// string. pgx tries without TLS what failed with it, and reports both.
func connectError(err error) error {
	if _, ok := errors.AsType[*pgconn.ParseConfigError](err); ok {
		return withHint(errors.New("not a PostgreSQL connection string"), "for example postgres://user@host:5432/database")
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return withHint(fmt.Errorf("connect: %s", pg.Message), "%s", serverHint(pg))
	}
	reason, hint := networkReason(err)
	return withHint(fmt.Errorf("connect: %s", reason), "%s", hint)
}

// serverHint is for an answer of the server itself: it was reached.
func serverHint(pg *pgconn.PgError) string {
	switch {
	case pg.Code == "28P01":
		return "the password is wrong, or the role has none: set it in the URL, PGPASSWORD or ~/.pgpass; " +
			"\\password in psql sets a new one"
	case pg.Code == "3D000":
		return "the server has no database of this name: list them with psql -l"
	case strings.Contains(pg.Message, "pg_hba.conf") && strings.Contains(pg.Message, "no encryption"):
		return "the server takes this connection with TLS only, or not at all: sslmode=require, else a line in pg_hba.conf"
	case pg.Code == "28000" && strings.Contains(pg.Message, "pg_hba.conf"):
		return "no line of pg_hba.conf lets this role into this database from here"
	case pg.Code == "28000":
		return "this role may not log in: check its name, and that it has LOGIN"
	case pg.Code == "53300":
		return "the server has no connection to spare: close others, or raise max_connections"
	case pg.Code == "57P03":
		return "the server is starting, stopping or recovering: try again in a moment"
	}
	return "the server was reached and refused: its log says more"
}

// networkReason is for what happened before the server answered.
func networkReason(err error) (reason, hint string) {
	var dns *net.DNSError
	var cert *tls.CertificateVerificationError
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.As(err, &dns):
		return "no host " + dns.Name, "check the host in the URL, or PGHOST"
	case errors.As(err, &cert), errors.As(err, &unknown):
		return "the server's certificate does not fit: " + innermost(err),
			"give the authority with sslrootcert, and the name that the certificate is for as host"
	case strings.Contains(err.Error(), "server refused TLS connection"):
		return "the server has no TLS, and the connection demands it", "turn ssl on at the server; sslmode=disable sends " +
			"everything in the clear"
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ENOENT):
		return "nothing listens there: " + innermost(err), "is the server running, on this host and port?"
	case errors.Is(err, context.DeadlineExceeded), isTimeout(err):
		return "no answer in time", "is the host right, and does a firewall let the port through?"
	}
	return err.Error(), "is the server running, and does it accept this role from here?"
}

func isTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}

// innermost is the last cause, without the addresses that were tried one after another.
func innermost(err error) string {
	var op *net.OpError
	var cert *tls.CertificateVerificationError
	switch {
	case errors.As(err, &cert):
		return cert.Err.Error()
	case errors.As(err, &op) && op.Addr != nil:
		return op.Addr.String() + ": " + op.Err.Error()
	}
	return err.Error()
}
