package policy_test

import (
	"fmt"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/policy"
)

// A Snapshot is plain values, so that what is read from it can be tried without a
// database.
func ExampleView_Effective() {
	leads := catalog.QName{Schema: "app", Name: "leads"}
	tenant := &catalog.Node{Kind: catalog.NodeColumn, Relation: leads, Column: "tenant_id"}
	setting := &catalog.Node{Kind: catalog.NodeFunction, Name: "pg_catalog.current_setting", Args: []*catalog.Node{
		{Kind: catalog.NodeConst, Type: "text", Value: "app.current_tenant"},
		{Kind: catalog.NodeConst, Type: "boolean", Value: "true"},
	}}
	s := &catalog.Snapshot{
		Roles: []catalog.Role{{Name: "app", Login: true}},
		Relations: []catalog.Relation{{
			Schema: "app", Name: "leads", Kind: catalog.Table, Owner: "owner", RLS: true, ForceRLS: true,
			Columns: []catalog.Column{{Num: 1, Name: "tenant_id", Type: "text", NotNull: true}},
			Policies: []catalog.Policy{
				{Name: "own", Permissive: true, Command: "ALL", Roles: []string{""}, Using: &catalog.Expr{
					Root: &catalog.Node{Kind: catalog.NodeOperator, Name: "=", Args: []*catalog.Node{tenant, setting}}}},
				{Name: "cleanup", Permissive: true, Command: "DELETE", Roles: []string{""}, Using: &catalog.Expr{
					Root: &catalog.Node{Kind: catalog.NodeConst, Type: "boolean", Value: "true"}}},
			},
		}},
	}
	view := policy.NewView(catalog.NewLookup(s, &catalog.Model{Column: "tenant_id", Setting: "app.current_tenant"}))
	for _, command := range []string{"SELECT", "INSERT", "UPDATE", "DELETE"} {
		e := view.Effective(&s.Relations[0], "app", command)
		fmt.Println(command, e.Isolated())
	}
	// Output:
	// SELECT true
	// INSERT true
	// UPDATE true
	// DELETE false
}
