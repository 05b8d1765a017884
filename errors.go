package moat

import (
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// ErrPolicyViolation is in the chain of an error of a write whose new row a policy
// refused (42501): the row is another tenant's, or not this role's to write. The
// *pgconn.PgError is in the chain too.
var ErrPolicyViolation = errors.New("row violates a row-level security policy")

// ErrReadOnly is in the chain of an error of a write in a read-only transaction or on
// a standby (25006), beside the *pgconn.PgError.
var ErrReadOnly = errors.New("transaction is read-only")

// typedError is a server's error that errors.Is also finds as one of ours.
type typedError struct{ err, kind error }

func (e *typedError) Error() string   { return e.err.Error() }
func (e *typedError) Unwrap() []error { return []error{e.err, e.kind} }

// typed adds our own error to the chain of a server's, where there is one for it.
func typed(err error) error {
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) {
		return err
	}
	switch {
	case errors.Is(err, ErrPolicyViolation) || errors.Is(err, ErrReadOnly):
		return err
	case pgErr.Code == "25006":
		return &typedError{err, ErrReadOnly}
	case pgErr.Code == "42501" && pgErr.Routine == "ExecWithCheckOptions":
		return &typedError{err, ErrPolicyViolation} // a missing grant has the same code
	}
	return err
}

// typedRows are rows of a transaction whose errors are typed.
type typedRows struct{ pgx.Rows }

func (r typedRows) Err() error { return typed(r.Rows.Err()) }

// typedRow is a row of a transaction whose error is typed.
type typedRow struct{ pgx.Row }

func (r typedRow) Scan(dest ...any) error { return typed(r.Row.Scan(dest...)) }

// typedBatch are results of a batch in a transaction whose errors are typed.
type typedBatch struct{ pgx.BatchResults }

func (b typedBatch) Exec() (pgconn.CommandTag, error) {
	tag, err := b.BatchResults.Exec()
	return tag, typed(err)
}

func (b typedBatch) Query() (pgx.Rows, error) {
	rows, err := b.BatchResults.Query()
	return typedRows{rows}, typed(err)
}

func (b typedBatch) QueryRow() pgx.Row { return typedRow{b.BatchResults.QueryRow()} }
func (b typedBatch) Close() error      { return typed(b.BatchResults.Close()) }
