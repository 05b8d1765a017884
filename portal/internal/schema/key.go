package schema

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/internal/sqltext"
)

// A row's address holds the values of its primary key without the tenant, joined by
// commas; commas and backslashes of a value are escaped by a backslash.

// JoinKey makes one text of a key's values.
func JoinKey(values []string) string {
	return list.Join(values, ",", strings.NewReplacer(`\`, `\\`, `,`, `\,`).Replace)
}

// SplitKey undoes JoinKey.
func SplitKey(key string) []string {
	out := []string{""}
	for i := 0; i < len(key); i++ {
		switch {
		case key[i] == '\\' && i+1 < len(key):
			i++
			out[len(out)-1] += key[i : i+1]
		case key[i] == ',':
			out = append(out, "")
		default:
			out[len(out)-1] += key[i : i+1]
		}
	}
	return out
}

// RowPath is the page of a row.
func (t *Table) RowPath(key []string) string { return t.Path() + "/r/" + url.PathEscape(JoinKey(key)) }

// Arguments collects the values of a statement.
type Arguments struct{ Values []any }

// Add takes a value and returns its placeholder.
func (a *Arguments) Add(v any) string {
	a.Values = append(a.Values, v)
	return "$" + strconv.Itoa(len(a.Values))
}

// KeyWhere says which of the tenant's own rows a key means; ok is false when it cannot be
// one's.
func (t *Table) KeyWhere(a *Arguments, tenant, key string) (where string, ok bool) {
	values := SplitKey(key)
	if t.Settings {
		return strings.Join(t.ownWhere(a, tenant), " and "), key == ""
	}
	if t.Closed || len(t.Key) == 0 || len(values) != len(t.Key) {
		return "", false
	}
	parts := t.ownWhere(a, tenant)
	for i, c := range t.Key {
		if !c.Accepts(values[i]) {
			return "", false
		}
		parts = append(parts, "t."+c.SQL()+" = "+a.Add(values[i]))
	}
	return strings.Join(parts, " and "), true
}

// TenantWhere is the tenant's predicate. Row-level security says the same; with it in
// the statement the planner knows the tenant, and a hole in a policy is not one here.
// Where a table shows rows of several tenants, the policies alone say which.
func (t *Table) TenantWhere(a *Arguments, tenant string) []string {
	switch {
	case t.Wide:
		return t.wideWhere(a, tenant)
	case t.Mixed:
		return nil
	}
	return t.ownWhere(a, tenant)
}

// wideWhere leaves out the rows of suspended tenants below, and all but one's where one is
// asked for.
func (t *Table) wideWhere(a *Arguments, tenant string) []string {
	var parts []string
	if tenant != "" {
		parts = t.ownWhere(a, tenant)
	}
	if t.Suspended != "" {
		parts = append(parts, "(t."+sqltext.Ident(t.Tenant)+" = any ("+t.Suspended+")) is not true")
	}
	return parts
}

// OwnWhere is the tenant's predicate for what is written: rows of others, which a Mixed table
// shows as well, are never meant.
func (t *Table) OwnWhere(a *Arguments, tenant string) []string { return t.ownWhere(a, tenant) }

func (t *Table) ownWhere(a *Arguments, tenant string) []string {
	if t.Tenant == "" {
		return nil
	}
	return []string{"t." + sqltext.Ident(t.Tenant) + " = " + a.Add(tenant)}
}
