package seal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/policy"
)

// Mode says where policies read the tenant from.
type Mode string

// The two modes.
const (
	// Plain policies read the tenant setting.
	Plain Mode = "plain"
	// Sealed policies call moat.current_tenant().
	Sealed Mode = "sealed"
)

// SwitchOptions configure [Switch]. The zero value works.
type SwitchOptions struct {
	// Setting is the plain tenant setting. Zero means [moat.DefaultTenantSetting].
	Setting string
	// Subject, Issuer and Role are the settings with who the caller is and what role they
	// have, which policies may read beside the tenant. Zero means the defaults of [moat.Options]
	// and [moat.DefaultIssuerSetting].
	Subject, Issuer, Role string
	// LockTimeout is how long one attempt waits for a table; statements that arrive
	// meanwhile wait with it. Zero means 500 ms: below the server's deadlock_timeout,
	// so that the switch gives way and not a client.
	LockTimeout time.Duration
	// Attempts is how often to try. Zero means 60.
	Attempts int
}

func (o *SwitchOptions) withDefaults() SwitchOptions {
	var d SwitchOptions
	if o != nil {
		d = *o
	}
	d.Setting = cmp.Or(d.Setting, moat.DefaultTenantSetting)
	d.Subject, d.Role = cmp.Or(d.Subject, moat.DefaultSubjectSetting), cmp.Or(d.Role, moat.DefaultRoleSetting)
	d.Issuer = cmp.Or(d.Issuer, moat.DefaultIssuerSetting)
	if d.LockTimeout == 0 {
		d.LockTimeout = 500 * time.Millisecond
	}
	if d.Attempts == 0 {
		d.Attempts = 60
	}
	return d
}

// Switched is what a switch did.
type Switched struct {
	// Policies were altered: "schema.table policy".
	Policies []string
	// Functions were replaced: those that policies call or that run with their
	// owner's rights.
	Functions []string
	// Left are functions that read the plain setting and were left alone, because
	// they run with their caller's rights and no policy calls them.
	Left []string
	// SQL are the statements, in their order.
	SQL []string
	// Attempts is how many it took.
	Attempts int
}

// ErrNotInstalled is returned when the database lacks the functions of sealed mode.
var ErrNotInstalled = errors.New("sealed mode is not installed")

// ErrNoKey is returned when the database has no valid key: sealed policies would
// show no row to anybody.
var ErrNoKey = errors.New("the database has no valid seal key")

// RolesError names the roles that use the tables and cannot call the functions:
// their statements would fail in sealed mode.
type RolesError struct{ Roles []string }

func (e *RolesError) Error() string {
	return "these roles may not call moat.current_tenant(): " + strings.Join(e.Roles, ", ")
}

// Switch changes every policy that reads the tenant, the subject or the role from one mode
// to the other, in one transaction: at any moment all policies are in force and read the same. It
// takes ACCESS EXCLUSIVE on each of their tables, and tries again when it cannot
// have them soon.
//
// Clients must bind by signature (moat.Options.Sealer) before the switch to sealed and
// until after the switch to plain; that binding satisfies policies of both modes.
// Switching to the mode that is there changes nothing. conn is the owner's of
// the tables, or a superuser's.
func Switch(ctx context.Context, conn *pgx.Conn, m Mode, o *SwitchOptions) (Switched, error) {
	if m != Plain && m != Sealed {
		return Switched{}, fmt.Errorf("switch policies: unknown mode %q", m)
	}
	opts := o.withDefaults()
	if err := ready(ctx, conn, m); err != nil {
		return Switched{}, fmt.Errorf("switch policies: %w", err)
	}
	for attempt := 1; ; attempt++ {
		s := switcher{rewrite: rewriter(m, opts)}
		err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			if err := s.plan(ctx, tx, m); err != nil {
				return err
			}
			return s.run(ctx, tx, opts)
		})
		if err == nil {
			s.done.Attempts = attempt
			return s.done, nil
		}
		if attempt == opts.Attempts || !hasCode(err, codeLockTimeout, codeDeadlock) {
			return Switched{}, fmt.Errorf("switch policies to %s, attempt %d: %w", m, attempt, err)
		}
		// Let those who waited behind the attempt go first.
		select {
		case <-ctx.Done():
			return Switched{}, ctx.Err()
		case <-time.After(50*time.Millisecond + rand.N(200*time.Millisecond)):
		}
	}
}

// PlanSwitch returns what [Switch] would do, and changes nothing.
func PlanSwitch(ctx context.Context, conn *pgx.Conn, m Mode, o *SwitchOptions) (Switched, error) {
	if m != Plain && m != Sealed {
		return Switched{}, fmt.Errorf("switch policies: unknown mode %q", m)
	}
	opts := o.withDefaults()
	s := switcher{rewrite: rewriter(m, opts)}
	err := ready(ctx, conn, m)
	if err == nil {
		err = pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{AccessMode: pgx.ReadOnly},
			func(tx pgx.Tx) error { return s.plan(ctx, tx, m) })
	}
	if err != nil {
		return Switched{}, fmt.Errorf("switch policies: %w", err)
	}
	return s.done, nil
}

// ready checks that sealed policies would show rows.
func ready(ctx context.Context, conn *pgx.Conn, m Mode) error {
	if m == Plain {
		return nil
	}
	if err := moat.CheckObserved(ctx, conn); err != nil {
		return err
	}
	var installed, key bool
	err := conn.QueryRow(ctx, `select pg_catalog.to_regprocedure('moat.current_tenant()') is not null
		and pg_catalog.to_regclass('moat.seal_key') is not null`).Scan(&installed)
	if err != nil {
		return err
	}
	if !installed {
		return ErrNotInstalled
	}
	err = conn.QueryRow(ctx, "select exists (select from moat.seal_key where valid_until is null or valid_until > "+
		"clock_timestamp())").Scan(&key)
	if err == nil && !key {
		err = ErrNoKey
	}
	return err
}

// sealed are the functions of sealed mode as policies call them, and the settings that
// stand for them in plain mode.
func (o SwitchOptions) sealed() [][2]string {
	return [][2]string{{policy.SealedTenantCall(), o.Setting}, {policy.SealedFact("subject"), o.Subject},
		{policy.SealedFact("issuer"), o.Issuer}, {policy.SealedFact("role"), o.Role}}
}

// rewrite is what turns an expression of the other mode into one of this mode.
type rewrite struct {
	pattern string // of any, both for Go and for the server
	each    []replacement
}

type replacement struct {
	find *regexp.Regexp
	with string
}

func rewriter(to Mode, o SwitchOptions) rewrite {
	var r rewrite
	var patterns []string
	for _, x := range o.sealed() {
		call, setting := x[0], x[1]
		pattern, with := policy.TenantPattern(setting), call
		if to == Plain {
			pattern = strings.ReplaceAll(regexp.QuoteMeta(call), `'\)`, `'(::text)?\)`)
			with = policy.Tenant(setting, "text")
		}
		patterns = append(patterns, pattern)
		r.each = append(r.each, replacement{regexp.MustCompile("(?i)" + pattern), with})
	}
	r.pattern = strings.Join(patterns, "|")
	return r
}

func (r rewrite) apply(text string) string {
	for _, x := range r.each {
		text = x.find.ReplaceAllLiteralString(text, x.with)
	}
	return text
}
