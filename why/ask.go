package why

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/policy"
	"github.com/moat-db/moat/tenancy"
)

// Question is a statement and the scope in which it is asked about.
type Question struct {
	// SQL is one statement; Args are the values of its parameters, as text.
	SQL  string
	Args []string
	// Scope is bound by Bind before the statement. Without a tenant nothing is bound.
	Scope moat.Scope
	Bind  *moat.Options
	// Settings are further settings to make, by name: those of an application that does not
	// bind as moat does.
	Settings map[string]string
	// Model is what is known of the tenants; zero means to infer it.
	Model tenancy.Options
	// Standing says whether a tenant is suspended; nil means not to ask.
	Standing func(*policy.View) (Standing, error)
	// Timeout ends each statement where the server has no limit of its own; zero means 10 s.
	Timeout time.Duration
}

// Standing says whether a tenant is suspended.
type Standing interface {
	Suspended(ctx context.Context, conn *pgx.Conn, tenant string) (bool, error)
}

// ErrNotOperator is returned by [Ask] when row-level security binds the operator: it would
// count the application's rows, not the tenant's.
var ErrNotOperator = errors.New("the operator's role does not see every row")

// ArgsError says that the statement has another number of parameters than there are values.
type ArgsError struct{ Parameters, Args int }

func (e *ArgsError) Error() string {
	return fmt.Sprintf("the statement has %d parameters, and %d values were given", e.Parameters, e.Args)
}

// Ask runs the statement over the application's connection and says what it met. Both
// connections must be outside a transaction. An error of the statement is no error of Ask.
func Ask(ctx context.Context, operator, application *pgx.Conn, q Question) (*Answer, error) {
	q.Timeout = cmp.Or(q.Timeout, 10*time.Second)
	v, err := tenancy.Read(ctx, operator, q.Model)
	if err != nil {
		return nil, err
	}
	if me := v.Role(v.Snapshot.User); me == nil || !me.Super && !me.BypassRLS {
		return nil, ErrNotOperator
	}
	var bind moat.Options
	if q.Bind != nil {
		bind = *q.Bind
	}
	bind.TenantType = cmp.Or(bind.TenantType, moat.TenantType(v.Model.Type))
	q.Bind = &bind
	a := &asker{Question: q, view: v, operator: operator,
		answer: &Answer{Version: 1, Tenant: string(q.Scope.Tenant)}}
	for _, s := range v.Snapshot.Unseen {
		a.unknown("%s", s)
	}
	tx, err := application.Begin(ctx)
	if err != nil {
		return nil, fmt.Errorf("begin as the application: %w", err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	if err := a.try(ctx, tx); err != nil {
		return nil, err
	}
	if err := a.look(ctx, tx); err != nil {
		return nil, err
	}
	a.answer.Cause = a.cause()
	a.answer.Tables = a.tables()
	return a.answer, nil
}

// asker is the state of one [Ask].
type asker struct {
	Question
	view     *policy.View
	operator *pgx.Conn
	answer   *Answer
	session  session
	bindErr  error
	err      *pgconn.PgError // of the statement
	reads    []*reading
	plan     plan
	// unset are the settings that policies of the tables read, and that are empty.
	unset     []string
	suspended bool
	listed    *bool // whether the tenants table lists the tenant; nil when nobody was asked
}

func (a *asker) unknown(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(a.answer.Unknown, text) {
		a.answer.Unknown = append(a.answer.Unknown, text)
	}
}

// look finds out, as the operator, what may explain the outcome.
func (a *asker) look(ctx context.Context, tx pgx.Tx) error {
	if err := a.lookAtTenant(ctx); err != nil {
		return err
	}
	a.resolveRights()
	if err := a.lookAtSettings(ctx, tx); err != nil {
		return err
	}
	if a.answer.Outcome == Refused {
		return nil
	}
	if err := a.explain(ctx); err != nil {
		return err
	}
	for _, r := range a.reads {
		if err := a.count(ctx, tx, r); err != nil {
			return err
		}
	}
	return nil
}

// lookAtTenant asks whether the tenant exists and may come in.
func (a *asker) lookAtTenant(ctx context.Context) error {
	tenant, m := string(a.Scope.Tenant), a.view.Model
	if tenant == "" || a.bindErr != nil {
		return nil
	}
	if a.Standing != nil {
		standing, err := a.Standing(a.view)
		if err != nil {
			a.unknown("Whether the tenant is suspended: %s.", err)
		} else if a.suspended, err = standing.Suspended(ctx, a.operator, tenant); err != nil {
			a.unknown("Whether the tenant is suspended: %s.", err)
		}
	}
	if m.Tenants == (catalog.QName{}) || m.Key == "" {
		return nil
	}
	var there bool
	err := a.operator.QueryRow(ctx, "SELECT EXISTS (SELECT FROM "+m.Tenants.SQL()+" WHERE "+a.own(m.Key, m.Type)+")").
		Scan(&there)
	if err != nil {
		a.unknown("Whether %s lists the tenant: %s.", m.Tenants, err)
		return nil
	}
	a.listed = &there
	return nil
}

func (a *asker) tables() []Table {
	all := make([]Table, 0, len(a.reads))
	all = append(all, list.Map(a.reads, func(r *reading) Table { return r.Table })...)
	return all
}
