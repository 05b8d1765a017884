package plan

import (
	"errors"
	"testing"

	"github.com/moat-db/moat/api/internal/problem"
	"github.com/moat-db/moat/api/internal/schema"
	"github.com/moat-db/moat/catalog"
)

// What Citus distributes is read together with nothing that stayed on the coordinator, in embeds
// and in views: under row-level security on both, that ends the server.
func TestCitusBeside(t *testing.T) {
	t.Parallel()
	app := func(name string) schema.Name { return schema.Name{Schema: "app", Name: name} }
	s := testSchema(t, func(s *catalog.Snapshot) {
		s.Distribution = &catalog.Distribution{}
		for _, name := range []string{"leads", "events", "labels"} {
			s.Distribution.Tables = append(s.Distribution.Tables, catalog.Distributed{Table: app(name), Kind: catalog.Sharded})
		}
		for view, reads := range map[string][]string{"near": {"leads", "events"}, "far": {"campaigns"},
			"both": {"near", "far"}, "kept": {"leads", "campaigns"}} {
			r := catalog.Relation{Schema: "app", Name: view, Kind: catalog.View, Owner: "owner",
				Privileges: s.Relations[0].Privileges, Columns: s.Relations[0].Columns}
			if view == "kept" {
				r.Kind = catalog.MaterializedView
			}
			s.Relations = append(s.Relations, r)
			for _, on := range reads {
				s.Dependencies = append(s.Dependencies, catalog.RelationDependency{From: app(view), On: app(on)})
			}
		}
	})
	for _, x := range []struct {
		table, query string
		refused      bool
	}{
		{"leads", "select=id,events(kind)", false}, {"leads", "select=id,campaigns(name)", true},
		{"campaigns", "select=id,leads(id)", true}, {"leads", "select=id,labels(name)", true}, // by lead_labels
		{"leads", "select=id,campaigns!inner()&campaigns.name=eq.x", true},
		{"near", "", false}, {"far", "", false}, {"both", "", true}, {"kept", "", false},
	} {
		_, err := Read(s, s.Table("app", x.table), parse(t, x.query), Options{Tenant: true})
		var e *problem.Error
		if refused := errors.As(err, &e) && e.Code == "MOAT134"; refused != x.refused || !refused && err != nil {
			t.Errorf("%s?%s: %v", x.table, x.query, err)
		}
	}
}
