package catalog_test

import (
	"strings"
	"testing"

	"github.com/moat-db/moat/catalog"
)

// Every node is met, wherever in a subquery it stands, and a walk can be left.
func TestAll(t *testing.T) {
	t.Parallel()
	node := func(name string, args ...*catalog.Node) *catalog.Node { return &catalog.Node{Name: name, Args: args} }
	query := &catalog.Query{From: []*catalog.Query{{Where: node("f")}}, Select: []*catalog.Node{node("s")},
		Calls: []*catalog.Node{node("l")}, Where: node("w", node("v"))}
	root := node("a", node("b"), &catalog.Node{Name: "c", Kind: catalog.NodeExists, Query: query})
	var met strings.Builder
	for n := range root.All() {
		met.WriteString(n.Name)
	}
	if met.String() != "abcfslwv" {
		t.Errorf("met %s", met.String())
	}
	for n := range root.All() {
		if n.Name == "s" {
			break // a walk that goes on after this panics
		}
	}
	for n := range (*catalog.Node)(nil).All() {
		t.Errorf("nil has the node %v", n)
	}
	if !root.Has(catalog.NodeCast, catalog.NodeExists) || root.Has(catalog.NodeCast) {
		t.Error("Has does not see what there is")
	}
}
