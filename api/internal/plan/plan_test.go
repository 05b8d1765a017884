package plan

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/moat-db/moat/api/internal/query"
	"github.com/moat-db/moat/api/internal/schema"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const tenant = "aaaaaaaa-0000-4000-8000-000000000001"

// TestGolden compares the SQL of requests with testdata/*.sql.
func TestGolden(t *testing.T) {
	t.Parallel()
	s := testSchema(t)
	write := func(verb, table, raw string, in Write) func() (*Statement, error) {
		return func() (*Statement, error) {
			r := parse(t, raw)
			o := Options{Tenant: true}
			switch verb {
			case "insert":
				return Insert(s, s.Table("app", table), r, in, o)
			case "update":
				return Update(s, s.Table("app", table), r, in, o)
			}
			return Delete(s, s.Table("app", table), r, in, o)
		}
	}
	read := func(table, raw string, o Options) func() (*Statement, error) {
		return func() (*Statement, error) {
			o.Tenant, o.MaxRows = true, 1000
			return Read(s, s.Table("app", table), parse(t, raw), o)
		}
	}
	body := []byte(`[{"name":"x"}]`)
	tests := map[string]func() (*Statement, error){
		"list": read("leads", "select=id,name&name=eq.x&order=id.desc&limit=50&offset=100", Options{}),
		"star": read("leads", "", Options{}),
		"filters": read("leads",
			"name=like.a*&score=in.(1,2)&tags=cs.{a}&details->>city=eq.x&search=fts(english).cat&or=(score.gt.1,"+
				"not.and(name.is.null,score.lt(any).{1}))", Options{}),
		"count":     read("leads", "score=gt.1&limit=1", Options{Count: "exact"}),
		"estimated": read("leads", "score=gt.1&limit=1", Options{Count: "estimated"}),
		"to_one":    read("leads", "select=id,campaigns(name)", Options{}),
		"to_many": read("campaigns",
			"select=id,leads(id,events(kind))&leads.order=id&leads.limit=5&leads.score=gt.1", Options{}),
		"many_to_many": read("leads", "select=id,labels(name)", Options{}),
		"inner":        read("leads", "select=id,events!inner(kind)&events.kind=eq.x", Options{}),
		"spread":       read("leads", "select=id,...campaigns(campaign:name),...events(kind)", Options{}),
		"aggregates": read("leads", "select=name,count(),score.sum(),...campaigns(budget.max())",
			Options{Aggregates: true}),
		"related_order": read("leads", "select=id,campaigns(name)&order=campaigns(name).desc", Options{}),
		"computed":      read("leads", "select=shout&shout=eq.X", Options{}),
		"etag":          read("labels", "id=eq.1", Options{ETag: true}),
		"after": read("leads",
			"select=id&order=score.desc&after=eyJvIjoic2NvcmUgREVTQyxpZCBERVNDIiwidiI6WyIxIiwiMiJdfQ", Options{}),
		"after_key": read("leads", "select=id&after=eyJvIjoiaWQiLCJ2IjpbIjEiXX0", Options{}),
		"insert":    write("insert", "leads", "", Write{Body: body, Keys: []string{"name"}}),
		"insert_return": write("insert", "leads", "select=id,name",
			Write{Body: body, Keys: []string{"name"}, Returning: "representation"}),
		"insert_embed": write("insert", "leads", "select=id,shout,campaigns(name)&order=id",
			Write{Body: body, Keys: []string{"name"}, Returning: "representation"}),
		"upsert": write("insert", "leads", "on_conflict=name",
			Write{Body: body, Keys: []string{"name", "score"}, Resolution: "merge-duplicates", Returning: "representation"}),
		"ignore": write("insert", "leads", "",
			Write{Body: body, Keys: []string{"id", "name"}, Resolution: "ignore-duplicates"}),
		"missing": write("insert", "leads", "columns=name,score",
			Write{Body: body, MissingDefault: true, Some: []string{"score"}, Every: []string{"name"}}),
		"put": write("insert", "labels", "id=eq.1",
			Write{Body: body, Keys: []string{"id", "name"}, Resolution: "merge-duplicates", Replace: true}),
		"update": write("update", "leads", "id=eq.1",
			Write{Body: []byte(`{"name":"x"}`), Keys: []string{"name"}, Returning: "representation", Match: "abc"}),
		"update_limit": write("update", "leads", "score=gt.1&order=id&limit=2",
			Write{Body: []byte(`{"name":"x"}`), Keys: []string{"name"}}),
		"delete": write("delete", "leads", "id=eq.1", Write{}),
		"call": func() (*Statement, error) {
			f := s.Functions[schema.Name{Schema: "app", Name: "find"}][0]
			return Function(s, f, parse(t, "select=id&limit=1"), Call{Body: []byte(`{"q":"x"}`), Keys: []string{"q"}},
				Options{Tenant: true})
		},
	}
	for name, make := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			st, err := make()
			if err != nil {
				t.Fatal(err)
			}
			verify(t, s, st)
			golden(t, name, render(st))
		})
	}
}

func parse(t testing.TB, raw string) *query.Request {
	t.Helper()
	r, err := query.Parse(raw, query.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func render(st *Statement) string {
	text := fmt.Sprintf("%s\n-- args: %q\n", st.SQL, st.Bind(tenant, nil))
	if st.Count != nil {
		text += fmt.Sprintf("-- count:\n%s\n-- args: %q\n", st.Count.SQL, st.Count.Bind(tenant, nil))
	}
	return text
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".sql")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Error(diff)
	}
}

// TestShape: requests that differ in values only are the same statement, so that it
// is prepared once.
func TestShape(t *testing.T) {
	t.Parallel()
	s := testSchema(t)
	one := func(raw string) string {
		st, err := Read(s, s.Table("app", "leads"), parse(t, raw), Options{Tenant: true})
		if err != nil {
			t.Fatal(err)
		}
		return st.SQL
	}
	for _, pair := range [][2]string{
		{"id=eq.1", "id=eq.2"},
		{"id=in.(1)", "id=in.(1,2,3)"},
		{"id=eq.1&name=eq.x", "name=eq.y&id=eq.7"},
		{"limit=5&offset=10", "offset=20&limit=5"},
		{"details->>a=eq.1", "details->>b=eq.2"},
	} {
		if a, b := one(pair[0]), one(pair[1]); a != b {
			t.Errorf("%s and %s differ:\n%s\n%s", pair[0], pair[1], a, b)
		}
	}
}
