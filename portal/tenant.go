package portal

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/catalog"
)

// tenantsTable is the table that lists the tenants, as far as the portal uses it.
type tenantsTable struct {
	Name      catalog.QName
	Key       string
	Label     string // column with the name for people; may be empty
	Created   string
	Suspended string // column; may be empty
	Moment    bool   // Suspended is a time, not a boolean
	Readable  bool   // by the application role
}

// SQL is the quoted name.
func (t *tenantsTable) SQL() string { return pgx.Identifier{t.Name.Schema, t.Name.Name}.Sanitize() }

func quote(name string) string { return pgx.Identifier{name}.Sanitize() }

// tenantsTable finds the tenants table and its columns; nil when the model has none.
func (b *builder) tenantsTable(suspended string) *tenantsTable {
	m := b.out.model
	i := slices.IndexFunc(b.snapshot.Relations, func(r catalog.Relation) bool { return r.QName() == m.Tenants && m.Key != "" })
	if i < 0 {
		return nil
	}
	r := &b.snapshot.Relations[i]
	t := &tenantsTable{Name: m.Tenants, Key: m.Key}
	t.Readable = b.grants.has(r.Privileges, "SELECT") && b.grants.has(b.schemaPrivileges(r.Schema), "USAGE")
	wanted := []string{suspended}
	if suspended == "" {
		wanted = []string{"suspended_at", "suspended"}
	}
	for _, c := range r.Columns {
		k := kindOf(c.TypeName)
		if slices.Contains(wanted, c.Name) && (k == kindBool || k == kindMoment || k == kindLocal) && t.Suspended == "" {
			t.Suspended, t.Moment = c.Name, k != kindBool
		}
		if t.Label == "" && k == kindText && slices.Contains([]string{"name", "title", "display_name", "company", "slug"}, c.Name) {
			t.Label = c.Name
		}
		if c.Name == "created_at" && k == kindMoment {
			t.Created = c.Name
		}
	}
	return t
}

// isSuspended is the SQL expression that is true for a suspended tenant.
func (t *tenantsTable) isSuspended() string {
	switch {
	case t.Suspended == "":
		return "false"
	case t.Moment:
		return quote(t.Suspended) + " is not null"
	}
	return quote(t.Suspended) + " is true"
}

func (t *tenantsTable) label() string {
	if t.Label == "" {
		return quote(t.Key) + "::text"
	}
	return quote(t.Label) + "::text"
}

// tenantState is what is known of a tenant for a moment.
type tenantState struct {
	name             string
	known, suspended bool
	at               time.Time
}

func (t tenantState) admit(operator bool) error {
	if !t.known {
		return &refusal{http.StatusForbidden, "This client is not known here", "It may have been removed. Ask your agency."}
	}
	if t.suspended && !operator {
		return &refusal{http.StatusForbidden, "This account is suspended", "Your data is kept, but locked. Your agency can open it again."}
	}
	return nil
}

// tenantTTL is how long a suspension made elsewhere may stay unnoticed.
const tenantTTL = 5 * time.Second

type tenantCache struct {
	now func() time.Time
	mu  sync.Mutex
	all map[moat.Tenant]tenantState
}

func newTenantCache(now func() time.Time) *tenantCache {
	return &tenantCache{now: now, all: map[moat.Tenant]tenantState{}}
}

func (c *tenantCache) get(t moat.Tenant) (tenantState, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, ok := c.all[t]
	return s, ok && c.now().Sub(s.at) < tenantTTL
}

func (c *tenantCache) put(t moat.Tenant, s tenantState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.all) > 10_000 {
		clear(c.all)
	}
	s.at = c.now()
	c.all[t] = s
}

func (c *tenantCache) forget(t moat.Tenant) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.all, t)
}

// tenantState looks the tenant of ctx up, as itself. Where there is no tenants table
// that the application role may read, the verified token alone decides.
func (p *Portal) tenantState(ctx context.Context, s *schema, id moat.Tenant) (tenantState, error) {
	t := s.tenants
	if t == nil || !t.Readable {
		return tenantState{name: string(id), known: true}, nil
	}
	if state, ok := p.tenants.get(id); ok {
		return state, nil
	}
	state := tenantState{known: true}
	sql := "select " + t.label() + ", " + t.isSuspended() + " from " + t.SQL() + " where " + quote(t.Key) + " = $1"
	err := p.config.DB.QueryRow(ctx, sql, string(id)).Scan(&state.name, &state.suspended)
	if errors.Is(err, pgx.ErrNoRows) {
		state, err = tenantState{}, nil
	}
	if err != nil {
		return tenantState{}, err
	}
	p.tenants.put(id, state)
	return state, nil
}
