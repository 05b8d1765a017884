package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/api/problem"
	"github.com/moat-db/moat/api/schema"
)

// tenantCheck asks the tenants table, in the tenant's own scope, whether it is there
// and active.
type tenantCheck struct{ sql string }

// memberCheck asks whether the caller belongs to the tenant, and in which role.
type memberCheck struct {
	sql     string
	hasRole bool
}

// suspensions are columns that suspend a tenant by their meaning.
var suspensions = []string{"suspended", "suspended_at", "disabled_at", "deleted_at", "status"}

// newTenantCheck returns nil when the role cannot read the tenants table, which need
// not be exposed. A column that is asked for must be there: without it no tenant would
// ever be suspended.
func newTenantCheck(s *schema.Schema, column string) (*tenantCheck, error) {
	t := s.Internal(s.Tenants)
	if t == nil || t.Column(s.TenantsKey) == nil || !t.Column(s.TenantsKey).Select {
		if column != "" {
			return nil, fmt.Errorf("suspended column %s: the application role cannot read the tenants table", column)
		}
		return nil, nil
	}
	suspended := "false"
	candidates := suspensions
	if column != "" {
		candidates = []string{column}
		if c := t.Column(column); c == nil || !c.Select {
			return nil, fmt.Errorf("suspended column %s: %s has no such column, or the application role may not read it", column, t.Name)
		}
	}
	for _, name := range candidates {
		if c := t.Column(name); c != nil && c.Select {
			suspended = suspends(c)
			break
		}
	}
	key := t.Column(s.TenantsKey)
	return &tenantCheck{sql: "select " + suspended + " from " + t.SQL() + " where " + schema.Quote(key.Name) + " = $1::" + key.Type}, nil
}

func suspends(c *schema.Column) string {
	name := schema.Quote(c.Name)
	switch c.Base {
	case "boolean":
		return "coalesce(" + name + ", false)"
	case "text", "character varying":
		return "coalesce(lower(" + name + ") in ('suspended', 'disabled', 'deleted'), false)"
	}
	if len(c.Enum) > 0 {
		return "coalesce(lower(" + name + "::text) in ('suspended', 'disabled', 'deleted'), false)"
	}
	return name + " is not null"
}

// newMemberCheck returns an error when the configured table cannot be read: a check
// that is asked for must not be left out.
func newMemberCheck(s *schema.Schema, m Membership) (*memberCheck, error) {
	if m.Table.Name == "" {
		return nil, nil
	}
	setString(&m.Subject, "subject")
	setString(&m.Tenant, s.TenantColumn)
	t := s.Internal(m.Table)
	if t == nil {
		return nil, fmt.Errorf("membership: there is no table %s, or the application role may not read it", m.Table)
	}
	role := "null::text"
	if m.Role != "" {
		role = schema.Quote(m.Role) + "::text"
	}
	for _, name := range []string{m.Subject, m.Tenant, m.Role} {
		if c := t.Column(name); name != "" && (c == nil || !c.Select) {
			return nil, fmt.Errorf("membership: %s has no column %s, or the application role may not read it", m.Table, name)
		}
	}
	return &memberCheck{
		sql: "select " + role + " from " + t.SQL() + " where " + schema.Quote(m.Subject) + "::text = $1 and " +
			schema.Quote(m.Tenant) + " = $2::" + t.Column(m.Tenant).Type,
		hasRole: m.Role != "",
	}, nil
}

// tenants remembers for a short while who may act.
type tenants struct {
	age time.Duration

	mu      sync.Mutex
	known   map[admission]verdict
	version uint64 // of the last flush: an answer that is older is not kept
}

// admission is what is asked: a tenant, and the subject where membership counts.
type admission struct {
	tenant  moat.Tenant
	subject string
}

type verdict struct {
	err     error
	role    *string
	expires time.Time
}

// maxKnown bounds the memory; beyond it everything is forgotten.
const maxKnown = 100_000

func newTenants(age time.Duration) *tenants {
	return &tenants{age: age, known: map[admission]verdict{}}
}

func (t *tenants) flush() {
	t.mu.Lock()
	defer t.mu.Unlock()
	clear(t.known)
	t.version++
}

// admit returns the caller's role where membership decides it, or the refusal.
func (t *tenants) admit(ctx context.Context, db *moat.DB, s *state, scope moat.Scope) (*string, error) {
	if s.check == nil && s.member == nil {
		return nil, nil
	}
	key := admission{tenant: scope.Tenant}
	if s.member != nil {
		key.subject = scope.Subject
	}
	now := time.Now()
	t.mu.Lock()
	v, ok := t.known[key]
	version := t.version
	t.mu.Unlock()
	if ok && now.Before(v.expires) {
		return v.role, v.err
	}
	v, err := ask(ctx, db, s, scope)
	if err != nil {
		return nil, err
	}
	v.expires = now.Add(t.age)
	t.keep(key, v, version)
	return v.role, v.err
}

func (t *tenants) keep(key admission, v verdict, version uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.version != version {
		return
	}
	if len(t.known) >= maxKnown {
		clear(t.known)
	}
	t.known[key] = v
}

// ask sends both questions in one round trip.
func ask(ctx context.Context, db *moat.DB, s *state, scope moat.Scope) (verdict, error) {
	b := &pgx.Batch{}
	if s.check != nil {
		b.Queue(s.check.sql, string(scope.Tenant))
	}
	if s.member != nil {
		b.Queue(s.member.sql, scope.Subject, string(scope.Tenant))
	}
	results := db.SendBatch(ctx, b)
	v, err := judge(results, s)
	if closed := results.Close(); err == nil {
		err = closed
	}
	return v, err
}

func judge(results pgx.BatchResults, s *state) (v verdict, err error) {
	if s.check != nil {
		var suspended bool
		err := results.QueryRow().Scan(&suspended)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			v.err = problem.New(http.StatusForbidden, "MOAT103", "the tenant is not known")
		case err != nil:
			return v, err
		case suspended:
			v.err = problem.New(http.StatusForbidden, "MOAT104", "the tenant is suspended")
		}
	}
	if s.member == nil {
		return v, nil
	}
	var role *string
	err = results.QueryRow().Scan(&role)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		if v.err == nil {
			v.err = problem.New(http.StatusForbidden, "MOAT105", "the caller is not a member of the tenant")
		}
	case err != nil:
		return v, err
	case s.member.hasRole:
		if role == nil {
			role = new(string)
		}
		v.role = role
	}
	return v, nil
}
