package policy_test

import (
	"testing"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/policy"
)

// In sealed mode the walls read what was proved, and nothing that a statement may set.
func TestSealedWalls(t *testing.T) {
	t.Parallel()
	link := catalog.QName{Schema: "public", Name: "members"}
	snapshot := &catalog.Snapshot{Relations: []catalog.Relation{
		{Schema: "public", Name: "members", Kind: catalog.Table, Columns: []catalog.Column{{Num: 1, Name: "person",
			Type: "text"}, {Num: 2, Name: "tenant_id", Type: "uuid"}}},
		{Schema: "public", Name: "leads", Kind: catalog.Table, Columns: []catalog.Column{{Num: 1, Name: "tenant_id",
			Type: "uuid"}}},
	}}
	leads := &snapshot.Relations[1]
	model := &catalog.Model{Column: "tenant_id", Type: "uuid", Setting: "app.current_tenant"}
	view := func() *policy.View { return policy.NewView(catalog.NewLookup(snapshot, model)) }
	check := func(plain, sealed string) {
		t.Helper()
		if got := view().Walls(leads, nil)[0].Using; got != plain {
			t.Errorf("plain\n%s, want\n%s", got, plain)
		}
		if got := view().SealedWalls(leads, nil)[0].Using; got != sealed {
			t.Errorf("sealed\n%s, want\n%s", got, sealed)
		}
	}
	check("tenant_id = (SELECT nullif(current_setting('app.current_tenant', true), '')::uuid)",
		"tenant_id = (SELECT moat.current_tenant()::uuid)")
	model.Shapes.Caller = &catalog.Caller{Table: link, Subject: "person", Tenant: "tenant_id"}
	check("tenant_id = (SELECT o.tenant_id FROM public.members o WHERE o.person = (SELECT "+
		"nullif(current_setting('app.subject', true), '')) AND o.tenant_id = (SELECT "+
		"nullif(current_setting('app.current_tenant', true), '')::uuid))",
		"tenant_id = (SELECT o.tenant_id FROM public.members o WHERE o.person = (SELECT moat.current_fact('subject')) AND "+
			"o.tenant_id = (SELECT moat.current_tenant()::uuid))")
	if view().Sealed() {
		t.Error("a database without policies is called sealed")
	}
	leads.Policies = []catalog.Policy{{Name: "own", Using: &catalog.Expr{
		Text: "(tenant_id = ( SELECT (moat.current_tenant())::uuid AS current_tenant))"}}}
	if !view().Sealed() {
		t.Error("a sealed policy is not seen")
	}
}
