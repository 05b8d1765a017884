package api

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/moat-db/moat/api/internal/query"
	"github.com/moat-db/moat/api/internal/schema"
)

// rows reads the objects of a write. A row that was read, changed and sent back holds the
// tenant column: where it says the caller's own in each object it says nothing new, and
// is left out. Anything else in it is refused with the other columns.
func (q *request) rows(t *schema.Table, r *query.Request) (payload, error) {
	body, err := q.payload(r.Columns != nil)
	name := t.TenantColumn
	if err != nil || name == "" || !slices.Contains(body.keys, name) || !q.ownTenant(body.text, name) {
		return body, err
	}
	without := func(names []string) []string {
		return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == name })
	}
	body.keys, body.some, body.every = without(body.keys), without(body.some), without(body.every)
	if r.Columns != nil {
		r.Columns = without(r.Columns)
	}
	return body, nil
}

// ownTenant reports whether each object has the caller's tenant under a name.
func (q *request) ownTenant(text []byte, name string) bool {
	var objects []map[string]json.RawMessage
	if json.Unmarshal(text, &objects) != nil {
		return false
	}
	for _, object := range objects {
		value := string(object[name])
		var unquoted string
		if json.Unmarshal(object[name], &unquoted) == nil {
			value = unquoted
		}
		own := string(q.scope.Tenant)
		if value != own && !(len(own) == 36 && strings.EqualFold(value, own)) {
			return false
		}
	}
	return len(objects) > 0
}
