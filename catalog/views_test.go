package catalog_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// TestViewColumns: a view's columns know which column they show, whatever they are
// called, and an expression or a UNION shows none.
func TestViewColumns(t *testing.T) {
	t.Parallel()
	pgtest.EachMajor(t, func(t *testing.T, c *pgtest.Cluster) {
		db := c.New(t)
		db.Exec(t, `
			CREATE TABLE a (id int, name text);
			CREATE TABLE "b ""q" (id int, a_id int);
			CREATE VIEW joined AS SELECT b.id AS x, a.name AS "the (name) {", a.id + 1 AS y FROM a JOIN "b ""q" b ON b.a_id =
				a.id ORDER BY b.a_id;
			CREATE VIEW chain AS SELECT x AS z FROM joined;
			CREATE MATERIALIZED VIEW kept AS SELECT name FROM (SELECT * FROM a) s;
			CREATE VIEW both_of AS SELECT id FROM a UNION SELECT id FROM "b ""q";
			CREATE TYPE pair AS (p int, "q r" text[]);
			CREATE FUNCTION one() RETURNS SETOF a ROWS 1 LANGUAGE sql AS 'SELECT * FROM a';
			CREATE FUNCTION many() RETURNS SETOF a LANGUAGE sql AS 'SELECT * FROM a'`)
		s, err := catalog.Load(context.Background(), db.Conn(t, db.URL))
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for _, r := range s.Relations {
			for _, column := range r.Columns {
				if column.Origin != nil {
					got[r.Name+"."+column.Name] = column.Origin.Relation.Name + "." + column.Origin.Column
				}
			}
		}
		want := map[string]string{"joined.x": `b "q.id`, "joined.the (name) {": "a.name", "chain.z": "joined.x",
			"kept.name": "a.name"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		for _, typ := range s.Types {
			if diff := cmp.Diff([]catalog.Attribute{{Name: "p", Type: "integer"}, {Name: "q r", Type: "text[]"}},
				typ.Attributes); typ.Name == "pair" && diff != "" {
				t.Error(diff)
			}
		}
		for _, f := range s.Functions {
			if f.Schema == "public" && f.OneRow != (f.Name == "one") {
				t.Errorf("%s: one row %v", f.Name, f.OneRow)
			}
		}
	})
}
