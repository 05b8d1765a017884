package catalog_test

import (
	"testing"

	"github.com/moat-db/moat/catalog"
)

// A column of a result is a number of a relation; behind a view stands the table's own
// column, or nothing.
func TestOrigin(t *testing.T) {
	t.Parallel()
	from := func(table, column string) *catalog.ColumnRef {
		return &catalog.ColumnRef{Relation: catalog.QName{Schema: "app", Name: table}, Column: column}
	}
	view := func(oid catalog.OID, name string, origins ...*catalog.ColumnRef) catalog.Relation {
		r := catalog.Relation{Schema: "app", Name: name, Kind: catalog.View, OID: oid}
		for i, o := range origins {
			r.Columns = append(r.Columns, catalog.Column{Num: int16(i + 1), Name: string(rune('a' + i)), Origin: o})
		}
		return r
	}
	v := catalog.NewLookup(&catalog.Snapshot{Relations: []catalog.Relation{
		// A column was dropped before these two.
		{Schema: "app", Name: "leads", Kind: catalog.Table, OID: 1,
			Columns: []catalog.Column{{Num: 2, Name: "id"}, {Num: 4, Name: "name"}}},
		view(2, "shown", from("leads", "name"), nil, from("leads", "gone"), from("nothing", "id")),
		view(3, "through", from("shown", "a"), from("shown", "b")),
		view(4, "itself", from("itself", "a")),
		view(5, "one", from("other", "a")),
		view(6, "other", from("one", "a")),
	}}, nil)
	for _, tt := range []struct {
		relation catalog.OID
		column   int16
		want     string // column of leads; "" for nothing
	}{
		{1, 2, "id"}, {1, 4, "name"}, {1, 1, ""}, {1, 3, ""}, {9, 1, ""}, {0, 0, ""},
		{2, 1, "name"}, {2, 2, ""}, {2, 3, ""}, {2, 4, ""}, {3, 1, "name"}, {3, 2, ""}, {4, 1, ""}, {5, 1, ""},
	} {
		r, c := v.Origin(v.Numbered(tt.relation, tt.column))
		got := ""
		if c != nil {
			got = c.Name
		}
		if got != tt.want || (r == nil) != (c == nil) || r != nil && r.Name != "leads" {
			t.Errorf("column %d of %d: %q, want %q", tt.column, tt.relation, got, tt.want)
		}
	}
}
