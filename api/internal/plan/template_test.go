package plan

import (
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/moat-db/moat/api/internal/query"
	"github.com/moat-db/moat/api/internal/schema"
)

// TestTemplate compares, for many generated requests, the statement of a request with
// what the template of its shape gives for the request's values.
func TestTemplate(t *testing.T) {
	t.Parallel()
	shaped, filled := 0, 0
	for i, target := range targets(t) {
		g := target.generator(7, uint64(i))
		for range 4000 {
			table := g.Table()
			raw := g.Query(table)
			values, ok := sameStatement(t, target, table, raw)
			if ok {
				shaped++
			}
			filled += values
		}
	}
	if shaped < 500 || filled < 200 {
		t.Errorf("only %d requests had a shape, with %d values: the generator is of no use", shaped, filled)
	}
}

func sameStatement(t *testing.T, g *target, table, raw string) (values int, shaped bool) {
	t.Helper()
	shape, found, ok := query.AppendShape(nil, nil, raw)
	if !ok {
		return 0, false
	}
	read := func(raw string) (*Statement, error) {
		request, err := query.Parse(raw, query.Options{})
		if err != nil {
			return nil, err
		}
		return Read(g.schema, g.schema.Tables[schema.Name{Schema: g.profile, Name: table}], request,
			Options{Tenant: g.tenant != "", MaxRows: 100, Count: "estimated"})
	}
	if g.schema.Tables[schema.Name{Schema: g.profile, Name: table}] == nil {
		return 0, false
	}
	markers := make([]string, len(found))
	for i := range markers {
		markers[i] = "MARKER" + strconv.Itoa(i)
	}
	want, wantErr := read(raw)
	got, err := read(query.Fill(string(shape), func(n int) string { return markers[n] }))
	if err != nil || !got.Template(markers) {
		return 0, false // the request is planned itself
	}
	if wantErr != nil {
		t.Fatalf("%q is refused (%v), but its shape %q has a template", raw, wantErr, shape)
	}
	for _, pair := range [][2]*Statement{{want, got}, {want.Count, got.Count}} {
		if pair[0] == nil && pair[1] == nil {
			continue
		}
		if diff := cmp.Diff(pair[0].SQL, pair[1].SQL); diff != "" {
			t.Fatalf("%q: SQL of the template: %s", raw, diff)
		}
		if diff := cmp.Diff(pair[0].Bind(g.tenant, nil), pair[1].Bind(g.tenant, found)); diff != "" {
			t.Fatalf("%q: parameters of the template: %s", raw, diff)
		}
	}
	if want.Offset != got.Offset || want.Limit != got.Limit || !slices.Equal(want.Outputs, got.Outputs) {
		t.Fatalf("%q: page or outputs differ", raw)
	}
	return len(found), true
}

// A statement that nobody bound must not run, and one tenant's parameters are not
// another's.
func TestBind(t *testing.T) {
	t.Parallel()
	s := testSchema(t)
	request, err := query.Parse("name=eq.MARKER0&score=gt.MARKER1", query.Options{})
	if err != nil {
		t.Fatal(err)
	}
	st, err := Read(s, s.Table("app", "leads"), request, Options{Tenant: true})
	if err != nil || !st.Template([]string{"MARKER0", "MARKER1"}) {
		t.Fatalf("no template: %v", err)
	}
	one, two := st.Bind("a", []string{"x", "1"}), st.Bind("b", []string{"y", "2"})
	if diff := cmp.Diff([][]any{{"x", "1", "a"}, {"y", "2", "b"}}, [][]any{one, two}); diff != "" {
		t.Error(diff)
	}
	for _, arg := range st.Args {
		if _, isText := arg.(string); isText {
			t.Errorf("an unbound parameter %q could be sent", arg)
		}
	}
}

func TestTemplateRefuses(t *testing.T) {
	t.Parallel()
	for name, st := range map[string]*Statement{
		"a marker in the SQL":         {SQL: "select MARKER0"},
		"a marker inside a parameter": {SQL: "select $1", Args: []any{"{MARKER0}"}},
		"a marker in the count":       {SQL: "select $1", Args: []any{"MARKER0"}, Count: &Statement{SQL: "select MARKER0"}},
	} {
		if st.Template([]string{"MARKER0"}) {
			t.Errorf("%s made a template", name)
		}
	}
}
