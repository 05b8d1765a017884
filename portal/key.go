package portal

import (
	"net/url"
	"strings"
)

// A row's address holds the values of its primary key without the tenant, joined by
// commas; commas and backslashes of a value are escaped by a backslash.

func joinKey(values []string) string {
	escaped := make([]string, len(values))
	for i, v := range values {
		escaped[i] = strings.NewReplacer(`\`, `\\`, `,`, `\,`).Replace(v)
	}
	return strings.Join(escaped, ",")
}

func splitKey(text string) []string {
	out := []string{""}
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\\' && i+1 < len(text):
			i++
			out[len(out)-1] += text[i : i+1]
		case text[i] == ',':
			out = append(out, "")
		default:
			out[len(out)-1] += text[i : i+1]
		}
	}
	return out
}

// rowPath is the page of a row.
func (t *table) rowPath(key []string) string { return t.Path() + "/r/" + url.PathEscape(joinKey(key)) }

// keyWhere says which row a key means; ok is false when it cannot be one's.
func (t *table) keyWhere(a *arguments, tenant, key string) (where string, ok bool) {
	values := splitKey(key)
	if len(t.Key) == 0 || len(values) != len(t.Key) {
		return "", false
	}
	parts := t.tenantWhere(a, tenant)
	for i, c := range t.Key {
		if !c.accepts(values[i]) {
			return "", false
		}
		parts = append(parts, "t."+c.SQL()+" = "+a.add(values[i]))
	}
	return strings.Join(parts, " and "), true
}

// tenantWhere is the tenant's predicate. Row-level security says the same; with it in
// the statement the planner knows the tenant, and a hole in a policy is not one here.
func (t *table) tenantWhere(a *arguments, tenant string) []string {
	if t.Tenant == "" {
		return nil
	}
	return []string{"t." + quote(t.Tenant) + " = " + a.add(tenant)}
}
