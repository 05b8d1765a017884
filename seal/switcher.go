package seal

import (
	"context"
	_ "embed"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/internal/sqltext"
)

//go:embed queries/policies.sql
var policiesQuery string

//go:embed queries/functions.sql
var functionsQuery string

//go:embed queries/unable.sql
var unableQuery string

//go:embed queries/guards.sql
var guardsQuery string

// switcher is one attempt to switch.
type switcher struct {
	rewrite  rewrite
	policies []policyRow
	done     Switched
}

// policyRow is a row of policies.sql.
type policyRow struct {
	OID             uint32
	Relation, Name  string
	Using, Checking string
}

// function is a row of functions.sql.
type function struct {
	OID        uint32
	Signature  string
	Definition string
	Owner      string
	NeedsGrant bool
	Decides    bool
}

// plan reads what there is to change and renders the statements that change it.
func (s *switcher) plan(ctx context.Context, tx pgx.Tx, m Mode) error {
	// The search_path decides how expressions are printed and read again.
	if _, err := tx.Exec(ctx, "select pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true)"); err != nil {
		return err
	}
	var err error
	if s.policies, err = query[policyRow](ctx, tx, policiesQuery, s.rewrite.pattern); err != nil {
		return err
	}
	functions, err := query[function](ctx, tx, functionsQuery, s.rewrite.pattern)
	if err != nil {
		return err
	}
	if m == Sealed {
		if err := able(ctx, tx, s.policies); err != nil {
			return err
		}
	}
	for _, f := range functions {
		s.function(f, m)
	}
	for _, p := range s.policies {
		s.policy(p)
	}
	return nil
}

func (s *switcher) run(ctx context.Context, tx pgx.Tx, o SwitchOptions) error {
	if _, err := tx.Exec(ctx, "select pg_catalog.set_config('lock_timeout', $1, true)",
		fmt.Sprint(o.LockTimeout.Milliseconds())); err != nil {
		return err
	}
	return unguarded(ctx, tx, s.policies, func() error {
		for _, sql := range s.done.SQL {
			if _, err := tx.Exec(ctx, sql); err != nil {
				return fmt.Errorf("%s: %w", firstLine(sql), err)
			}
		}
		return nil
	})
}

func (s *switcher) policy(p policyRow) {
	alter := "ALTER POLICY " + sqltext.Ident(p.Name) + " ON " + p.Relation
	if p.Using != "" {
		alter += "\n  USING (" + s.rewrite.apply(p.Using) + ")"
	}
	if p.Checking != "" {
		alter += "\n  WITH CHECK (" + s.rewrite.apply(p.Checking) + ")"
	}
	s.done.SQL = append(s.done.SQL, alter)
	s.done.Policies = append(s.done.Policies, p.Relation+" "+p.Name)
}

// function replaces a function that decides about rows. One that runs with its
// owner's rights calls current_tenant as its owner, who must be allowed to.
func (s *switcher) function(f function, m Mode) {
	if !f.Decides {
		if m == Sealed {
			s.done.Left = append(s.done.Left, f.Signature)
		}
		return
	}
	if f.NeedsGrant && m == Sealed {
		s.done.SQL = append(s.done.SQL, "GRANT USAGE ON SCHEMA moat TO "+sqltext.Ident(f.Owner),
			"GRANT EXECUTE ON FUNCTION moat.current_tenant(), moat.current_fact(text) TO "+sqltext.Ident(f.Owner))
	}
	s.done.SQL = append(s.done.SQL, s.rewrite.apply(f.Definition))
	s.done.Functions = append(s.done.Functions, f.Signature)
}

// able returns [*RolesError] when sealed policies would break a role's statements.
func able(ctx context.Context, tx pgx.Tx, policies []policyRow) error {
	tables := list.Map(policies, func(p policyRow) uint32 { return p.OID })
	rows, _ := tx.Query(ctx, unableQuery, tables)
	roles, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err == nil && len(roles) > 0 {
		err = &RolesError{Roles: roles}
	}
	return err
}

// unguarded runs fn with moat's guard suspended for this transaction, and tells the
// guard what the policies are afterwards.
func unguarded(ctx context.Context, tx pgx.Tx, policies []policyRow, fn func() error) error {
	type trigger struct{ Name, Enable string }
	guards, err := query[trigger](ctx, tx, guardsQuery)
	if err != nil {
		return err
	}
	if len(guards) == 0 {
		return fn()
	}
	for _, g := range guards {
		if _, err := tx.Exec(ctx, "ALTER EVENT TRIGGER "+g.Name+" DISABLE"); err != nil {
			return fmt.Errorf("suspend the guard: %w", err)
		}
	}
	if err := fn(); err != nil {
		return err
	}
	for _, g := range guards {
		if _, err := tx.Exec(ctx, "ALTER EVENT TRIGGER "+g.Name+" "+g.Enable); err != nil {
			return fmt.Errorf("resume the guard: %w", err)
		}
	}
	return remember(ctx, tx, policies)
}

func remember(ctx context.Context, tx pgx.Tx, policies []policyRow) error {
	var remembers bool
	if err := tx.QueryRow(ctx, "select pg_catalog.to_regprocedure('moat.remember(regclass)') is not null").
		Scan(&remembers); err != nil || !remembers {
		return err
	}
	for _, p := range policies {
		if _, err := tx.Exec(ctx, "select moat.remember($1::oid::regclass)", p.OID); err != nil {
			return fmt.Errorf("tell the guard: %w", err)
		}
	}
	return nil
}

func query[T any](ctx context.Context, tx pgx.Tx, sql string, args ...any) ([]T, error) {
	rows, _ := tx.Query(ctx, sql, args...)
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[T])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", firstLine(sql), err)
	}
	return found, nil
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return strings.TrimPrefix(line, "-- ")
}
