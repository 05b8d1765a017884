package schema

import "github.com/moat-db/moat/catalog"

// Representation is how the values of a domain look to clients, where its owner made casts
// for that. Each is the SQL of a function, or "".
type Representation struct {
	JSON     string // of the value, for answers
	FromJSON string // of a value in a body
	FromText string // of a value in a URL
}

// representations finds the casts by functions that the role may call.
func (b *builder) representations() {
	for _, c := range b.Snapshot.Casts {
		t := b.schema.Types[sqlType(c.Domain.Schema, c.Domain.Name)]
		if t == nil {
			continue
		}
		sql := b.castFunction(c.Function)
		switch {
		case c.Into && c.Other == "json":
			t.shown.FromJSON = sql
		case c.Into:
			t.shown.FromText = sql
		case c.Other == "json":
			t.shown.JSON = sql
		}
	}
}

// castFunction is the SQL of a function that the role may call, or "".
func (b *builder) castFunction(oid catalog.OID) string {
	for f := range catalog.Each(b.Snapshot.Functions) {
		if f.OID == oid && b.HasFunctionPrivilege(b.Role, f) && b.Uses(f.Schema) {
			return Quote(f.Schema, f.Name)
		}
	}
	return ""
}
