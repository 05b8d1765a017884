// Package guard hands package moat a condition that must hold before a statement runs,
// without that being a part of moat's API. moat asks it together with what binds the
// tenant, which costs the server a fraction of a statement of its own.
package guard

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5/pgconn"
)

// Guard is an expression of SQL, with parameters from $1, that fails by SQLSTATE 22P02 where
// the statements behind it must not run. The zero Guard lets all run.
type Guard struct {
	SQL  string
	Args []any
}

// RefusedError is the failure of a Guard: no statement behind it ran.
type RefusedError struct{ err error }

func (e *RefusedError) Error() string { return e.err.Error() }
func (e *RefusedError) Unwrap() error { return e.err }

type key struct{}

// With returns a context whose statements run only if g lets them.
func With(ctx context.Context, g Guard) context.Context { return context.WithValue(ctx, key{}, g) }

// From returns the Guard of ctx.
func From(ctx context.Context) Guard {
	g, _ := ctx.Value(key{}).(Guard)
	return g
}

// Typed is err, as [*RefusedError] where it is the failure of g.
func (g Guard) Typed(err error) error {
	var pgErr *pgconn.PgError
	if g.SQL == "" || !errors.As(err, &pgErr) || pgErr.Code != "22P02" {
		return err
	}
	return &RefusedError{err}
}
