package plan

import (
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/moat-db/moat/api/internal/query"
	"github.com/moat-db/moat/api/internal/schema"
)

// writer collects SQL's parameters and hands out aliases. One writer makes one
// statement.
type writer struct {
	schema  *schema.Schema
	options Options
	args    []any
	tenant  string // the parameter that holds the tenant, once there is one
	aliases int
	shared  map[string]string        // JSON keys that already are parameters
	spreads map[*query.Target]string // aliases of to-one embeds that are spread
	values  map[*query.Target]string // JSON values of embeds that are grouped by
	calls   bool                     // whether functions of the database run
}

func newWriter(s *schema.Schema, o Options) *writer {
	return &writer{schema: s, options: o}
}

// remember notes something of an embed. Few statements have such ones, so that the maps
// are made when they are needed.
func remember(m *map[*query.Target]string, t *query.Target, sql string) {
	if *m == nil {
		*m = map[*query.Target]string{}
	}
	(*m)[t] = sql
}

// arg binds a value and returns its placeholder.
func (w *writer) arg(value any) string {
	w.args = append(w.args, value)
	return "$" + strconv.Itoa(len(w.args))
}

// key binds a JSON key once, however often it is named: GROUP BY must see the same
// parameter as the select list.
func (w *writer) key(value, cast string) string {
	if at, ok := w.shared[cast+value]; ok {
		return at
	}
	at := w.arg(value) + cast
	if w.shared == nil {
		w.shared = map[string]string{}
	}
	w.shared[cast+value] = at
	return at
}

// mark returns a function that takes back the parameters bound since: PostgreSQL
// refuses a parameter that a statement does not use.
func (w *writer) mark() func() {
	n, tenant, shared := len(w.args), w.tenant, maps.Clone(w.shared)
	return func() { w.args, w.tenant, w.shared = w.args[:n], tenant, shared }
}

func (w *writer) alias() string {
	w.aliases++
	return "t" + strconv.Itoa(w.aliases)
}

// source is a table, or something that stands for its rows, under an alias.
type source struct {
	table *schema.Table
	alias string
	// rows is true when the alias is not the table itself but a list of its columns:
	// the result of a write.
	rows bool
}

func (s source) column(name string) string { return s.alias + "." + schema.Quote(name) }

// tenantID returns the placeholder of the tenant with its type.
func (w *writer) tenantID(sqlType string) string {
	if w.tenant == "" {
		w.tenant = w.arg(theTenant{})
	}
	return w.tenant + "::" + sqlType
}

// reach refuses a table that a caller without a tenant may not see.
func (w *writer) reach(t *schema.Table) error {
	if !w.options.Tenant && !t.Shared {
		return errNeedsTenant(t)
	}
	if t.Spread && t.Local {
		return crosses(fmt.Sprintf("'%s' cannot be read", t.Name.Name),
			"The view joins a table that Citus distributes with one that it does not.", "Distribute the other table too.")
	}
	return nil
}

// tenantCondition ties a table to the tenant; nothing for a table without the column, and
// for one of several tenants' rows, of which the policies say who sees which.
func (w *writer) tenantCondition(s source) []string {
	if !w.options.Tenant || s.rows {
		return nil
	}
	if w.schema.Below {
		return w.notSuspended(s)
	}
	if s.table.TenantColumn == "" || s.table.Mixed {
		return nil
	}
	c := s.table.Column(s.table.TenantColumn)
	if c == nil || !(c.Select || c.Hidden) {
		return nil // the policy alone does it: the role may not name the column
	}
	return []string{s.column(s.table.TenantColumn) + " = " + w.tenantID(s.table.TenantType)}
}

// notSuspended leaves out the rows of suspended tenants below. A row without a tenant is
// nobody's, and stays.
func (w *writer) notSuspended(s source) []string {
	if w.schema.Suspended == "" {
		return nil
	}
	active := func(column string) string { return "(" + column + " = ANY (" + w.schema.Suspended + ")) IS NOT TRUE" }
	if p := s.table.People; p != nil {
		link := w.alias()
		return []string{s.column(p.Key) + " IN (SELECT " + link + "." + schema.Quote(p.Person) + " FROM " +
			schema.Quote(p.Link.Schema, p.Link.Name) + " AS " + link + " WHERE " +
			active(link+"."+schema.Quote(p.Tenant)) + ")"}
	}
	if s.table.TenantColumn == "" {
		return nil
	}
	return []string{active(s.column(s.table.TenantColumn))}
}

func where(conditions []string) string {
	if len(conditions) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(conditions, " AND ")
}

func (w *writer) statement(sql string) *Statement {
	return &Statement{SQL: sql, Args: w.args, Limit: -1, Calls: w.calls}
}
