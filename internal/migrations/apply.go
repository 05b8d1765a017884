package migrations

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat/internal/sqltext"
)

// Error says which statement of which file failed.
type Error struct {
	File string
	Line int
	Err  error
}

func (e *Error) Error() string { return fmt.Sprintf("%s:%d: %v", e.File, e.Line, e.Err) }
func (e *Error) Unwrap() error { return e.Err }

// Migrator is the role that owns what [Apply] makes.
const Migrator = "migrator"

// Result is what [Apply] noticed.
type Result struct {
	Notes  []string // what had to be left out or made up, in sentences
	Hidden []Hidden // statements that policies hide rows from
}

// Apply runs a folder's statements, in order, in the empty database of a private
// server, over a connection of its superuser. It makes roles that statements name and
// nobody created, without any privilege: what they may do, the migrations say. With
// bypasses, policies do not bind the role that runs them elsewhere.
func Apply(ctx context.Context, conn *pgx.Conn, f Folder, bypasses bool) (Result, error) {
	a := applier{conn: conn, bypasses: bypasses || f.Tool != nil && f.Tool.Bypasses}
	// The owner of a real schema is no superuser, but installing extensions takes one:
	// it is taken back at the end.
	prelude := "CREATE ROLE " + Migrator + " SUPERUSER"
	if f.Tool != nil && f.Tool.Prelude != "" {
		prelude += ";" + f.Tool.Prelude
	}
	if err := a.exec(ctx, prelude); err != nil {
		return a.result, fmt.Errorf("prepare the private server: %w", err)
	}
	for _, file := range f.Files {
		if err := a.file(ctx, file); err != nil {
			return a.result, err
		}
	}
	const reset = "RESET ALL; RESET SESSION AUTHORIZATION; ALTER ROLE " + Migrator + " NOSUPERUSER NOLOGIN"
	if err := a.exec(ctx, reset); err != nil {
		return a.result, fmt.Errorf("leave the private server: %w", err)
	}
	return a.result, nil
}

type applier struct {
	conn     *pgx.Conn
	bypasses bool
	speaks   bool // whether the file sets parameters of its own, such as a tenant
	told     bool // whether that was noted
	result   Result
}

func (a *applier) note(format string, args ...any) {
	a.result.Notes = append(a.result.Notes, fmt.Sprintf(format, args...))
}

func (a *applier) exec(ctx context.Context, sql string) error {
	_, err := a.conn.PgConn().Exec(ctx, sql).ReadAll()
	return err
}

// file runs one file with fresh settings: a dump sets search_path for the session.
func (a *applier) file(ctx context.Context, f File) error {
	if err := a.exec(ctx, "RESET SESSION AUTHORIZATION; RESET ALL; SET SESSION AUTHORIZATION "+Migrator); err != nil {
		return &Error{f.Path, 1, err}
	}
	a.speaks, a.told = false, false
	for _, s := range f.Statements {
		if err := a.hidden(ctx, f.Path, s); err != nil {
			return &Error{f.Path, s.Line, err}
		}
		if err := a.statement(ctx, s); err != nil {
			return &Error{f.Path, s.Line, err}
		}
	}
	if a.conn.PgConn().TxStatus() != 'I' {
		if err := a.exec(ctx, "COMMIT"); err != nil {
			return &Error{f.Path, 1, fmt.Errorf("end the transaction that the file leaves open: %w", err)}
		}
	}
	return nil
}

var missingRole = regexp.MustCompile(`^role "(.+)" does not exist$`)

// statement runs one statement, and once more after each role that it lacks.
func (a *applier) statement(ctx context.Context, s sqltext.Statement) error {
	const maxRoles = 20
	for range maxRoles {
		err := a.once(ctx, s)
		if err == nil {
			return nil
		}
		var pgErr *pgconn.PgError
		if !errors.As(err, &pgErr) || a.conn.PgConn().TxStatus() != 'I' {
			return err
		}
		if isExtension(s.Text) && (pgErr.Code == "0A000" || pgErr.Code == "58P01" || pgErr.Code == "22023") {
			a.note("An extension is not installed on this machine: %s", s.Text)
			return nil
		}
		role := missingRole.FindStringSubmatch(pgErr.Message)
		if pgErr.Code != "42704" || role == nil {
			return err
		}
		// LOGIN, since a role that is only granted to is most likely the application's.
		if err := a.exec(ctx, "CREATE ROLE "+pgx.Identifier{role[1]}.Sanitize()+" LOGIN"); err != nil {
			return err
		}
		a.note("No migration creates the role %s: it was made as an ordinary login.", role[1])
	}
	return errors.New("the statement names too many roles that nobody creates")
}

func (a *applier) once(ctx context.Context, s sqltext.Statement) error {
	if s.Copy != nil {
		_, err := a.conn.PgConn().CopyFrom(ctx, bytes.NewReader(s.Copy), s.Text)
		return err
	}
	return a.exec(ctx, s.Text)
}

func isExtension(sql string) bool {
	tokens := sqltext.Code(sql)
	if len(tokens) < 3 || !tokens[1].Is("extension") {
		return false
	}
	return strings.EqualFold(tokens[0].Text, "create") || strings.EqualFold(tokens[0].Text, "comment")
}
