package why

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/internal/sqltext"
)

// session is what the application's connection is like.
type session struct {
	role     string
	path     []string // the schemas that names are looked for in
	standby  bool
	readOnly bool
	timeout  string // statement_timeout of its own; "0" for none
}

// try binds the scope and runs the statement, each in a savepoint, so that the transaction
// goes on after an error.
func (a *asker) try(ctx context.Context, tx pgx.Tx) error {
	if err := a.session.read(ctx, tx); err != nil {
		return fmt.Errorf("look at the application's connection: %w", err)
	}
	a.answer.Role = a.session.role
	if a.session.timeout == "0" {
		set := fmt.Sprintf("SET LOCAL statement_timeout = %d", a.Timeout.Milliseconds())
		if _, err := tx.Exec(ctx, set); err != nil {
			return err
		}
	}
	if err := a.bind(ctx, tx); err != nil {
		return a.refused(err, true)
	}
	return a.run(ctx, tx)
}

func (s *session) read(ctx context.Context, tx pgx.Tx) error {
	return tx.QueryRow(ctx, "SELECT current_user::text, pg_catalog.current_schemas(false)::text[], "+
		"pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('transaction_read_only')::bool, "+
		"pg_catalog.current_setting('statement_timeout')").Scan(&s.role, &s.path, &s.standby, &s.readOnly, &s.timeout)
}

func (a *asker) bind(ctx context.Context, tx pgx.Tx) error {
	return pgx.BeginFunc(ctx, tx, func(sp pgx.Tx) error {
		if a.Scope.Tenant != "" {
			if err := moat.Bind(ctx, sp, a.Scope, a.Bind); err != nil {
				return err
			}
		}
		for name, value := range a.Settings {
			if _, err := sp.Exec(ctx, "SELECT pg_catalog.set_config($1, $2, true)", name, value); err != nil {
				return fmt.Errorf("set %s: %w", name, err)
			}
		}
		return nil
	})
}

// refused notes an error of the statement, or of binding; others are returned.
func (a *asker) refused(err error, binding bool) error {
	if err == nil {
		return nil
	}
	var pg *pgconn.PgError
	switch {
	case errors.As(err, &pg):
		a.answer.Error = &Error{Code: pg.Code, Message: pg.Message}
	case binding && !errors.Is(err, context.Canceled) && !pgconn.Timeout(err):
		a.answer.Error = &Error{Message: err.Error()}
	default:
		return err
	}
	a.answer.Outcome = Refused
	if binding {
		a.bindErr = err
	} else {
		a.err = pg
	}
	return nil
}

// run prepares the statement, which names the tables without asking for rights, and runs it.
func (a *asker) run(ctx context.Context, tx pgx.Tx) error {
	var prepared *pgconn.StatementDescription
	err := pgx.BeginFunc(ctx, tx, func(sp pgx.Tx) (err error) {
		if prepared, err = sp.Conn().PgConn().Prepare(ctx, "", a.SQL, nil); err != nil {
			return err
		}
		return a.readings(ctx, sp, false)
	})
	if err != nil {
		return a.refused(err, false)
	}
	if len(prepared.ParamOIDs) != len(a.Args) {
		return &ArgsError{len(prepared.ParamOIDs), len(a.Args)}
	}
	undone := errors.New("undone")
	err = pgx.BeginFunc(ctx, tx, func(sp pgx.Tx) error {
		if err := a.execute(ctx, sp.Conn().PgConn()); err != nil {
			return err
		}
		if err := a.readings(ctx, sp, true); err != nil {
			return err
		}
		return undone
	})
	if errors.Is(err, undone) {
		return nil
	}
	return a.refused(err, false)
}

// execute runs the statement and counts what comes back.
func (a *asker) execute(ctx context.Context, conn *pgconn.PgConn) error {
	if a.verb() == "COPY" {
		tag, err := conn.CopyFrom(ctx, bytes.NewReader(nil), a.SQL)
		return a.done(tag.RowsAffected(), false, err)
	}
	args := list.Map(a.Args, func(arg string) []byte { return []byte(arg) })
	result := conn.ExecParams(ctx, a.SQL, args, nil, nil, nil)
	rows, zero := int64(0), true
	for result.NextRow() {
		rows++
		zero = zero && rows == 1 && nothing(result.Values())
	}
	tag, err := result.Close()
	if rows == 0 {
		rows = tag.RowsAffected()
	}
	return a.done(rows, rows == 1 && zero && tag.Select(), err)
}

// nothing reports whether a row is that of an aggregate over no rows.
func nothing(values [][]byte) bool {
	return !slices.ContainsFunc(values, func(v []byte) bool { return v != nil && string(v) != "0" })
}

func (a *asker) done(rows int64, zero bool, err error) error {
	if err != nil {
		return err
	}
	a.answer.Count, a.answer.Outcome = rows, Rows
	if rows == 0 || zero {
		a.answer.Outcome = Empty
	}
	return nil
}

// verb is the command that the statement is, behind WITH: SELECT for all that only reads.
func (a *asker) verb() string {
	depth := 0
	for i, t := range sqltext.Code(a.SQL) {
		switch {
		case t.Is("("):
			depth++
		case t.Is(")"):
			depth--
		case depth > 0:
		case i == 0 && t.Is("copy"):
			return "COPY"
		case t.Is("insert"), t.Is("update"), t.Is("delete"), t.Is("merge"):
			return strings.ToUpper(t.Text)
		case t.Is("select"), t.Is("values"), t.Is("table"):
			return "SELECT"
		}
	}
	return "SELECT"
}
