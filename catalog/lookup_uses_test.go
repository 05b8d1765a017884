package catalog_test

import (
	"slices"
	"testing"

	"github.com/moat-db/moat/catalog"
)

// What uses a table is found from the table's side: by foreign keys, triggers and views.
func TestUses(t *testing.T) {
	t.Parallel()
	name := func(s string) catalog.QName { return catalog.QName{Schema: "app", Name: s} }
	touch := catalog.Trigger{Function: name("touch"), Enabled: "origin"}
	off := catalog.Trigger{Function: name("touch"), Enabled: "disabled"}
	key := catalog.Constraint{Name: "fk", Type: catalog.ForeignKey, References: name("leads")}
	v := catalog.NewLookup(&catalog.Snapshot{
		Relations: []catalog.Relation{
			{Schema: "app", Name: "leads", Triggers: []catalog.Trigger{touch, touch}},
			{Schema: "app", Name: "notes", Constraints: []catalog.Constraint{{Type: catalog.Unique}, key}},
			{Schema: "app", Name: "open", Kind: catalog.View},
			{Schema: "app", Name: "quiet", Triggers: []catalog.Trigger{off}, Constraints: []catalog.Constraint{key}},
		},
		Dependencies: []catalog.RelationDependency{
			{From: name("open"), On: name("leads")}, {From: name("top"), On: name("open")},
			{From: name("leads"), On: name("log"), Rule: "copies"},
		},
	}, nil)
	var from []string
	for _, ref := range v.References(name("leads")) {
		from = append(from, ref.From.Name+"."+ref.Key.Name)
	}
	if want := []string{"notes.fk", "quiet.fk"}; !slices.Equal(from, want) {
		t.Errorf("leads is referred to by %v, want %v", from, want)
	}
	if on := v.Triggered(name("touch")); len(on) != 1 || on[0].Name != "leads" {
		t.Errorf("touch runs for %v, want leads once", on)
	}
	if by := v.ReadBy(name("leads")); len(by) != 1 || by[0].From != name("open") {
		t.Errorf("leads is read by %v, want the view open", by)
	}
	if reads := v.Reads(name("top")); len(reads) != 1 || reads[0].On != name("open") {
		t.Errorf("top reads %v, want open", reads)
	}
	if all := v.Beneath(name("top")); !slices.Equal(all, []catalog.QName{name("open"), name("leads")}) {
		t.Errorf("beneath top are %v, want open and leads, but nothing that a table's rules use", all)
	}
}

// The privileges of a relation are those on all of it and those on its columns.
func TestGrants(t *testing.T) {
	t.Parallel()
	r := catalog.Relation{
		Privileges: []catalog.Privilege{{Name: "SELECT"}, {Name: "INSERT"}},
		Columns: []catalog.Column{
			{Privileges: []catalog.Privilege{{Name: "UPDATE"}}}, {},
			{Privileges: []catalog.Privilege{{Name: "REFERENCES"}}},
		},
	}
	var all, two []string
	for p := range r.Grants() {
		all = append(all, p.Name)
	}
	for p := range r.Grants() {
		if two = append(two, p.Name); p.Name == "UPDATE" {
			break
		}
	}
	want := []string{"SELECT", "INSERT", "UPDATE", "REFERENCES"}
	if !slices.Equal(all, want) || !slices.Equal(two, want[:3]) {
		t.Errorf("%v and, stopped at UPDATE, %v; want %v", all, two, want)
	}
}
