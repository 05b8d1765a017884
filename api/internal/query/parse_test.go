package query

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/moat-db/moat/api/internal/fuzzquery"
	"github.com/moat-db/moat/api/internal/problem"
)

func filter(name string, op Op, value string) Cond {
	return Cond{Filter: Filter{Field: Field{Name: name}, Op: op, Value: value}}
}

func TestParse(t *testing.T) {
	t.Parallel()
	two := int64(2)
	empty := ""
	column := func(name string) Item { return Item{Kind: Column, Field: Field{Name: name}} }
	star := []Item{{Kind: Star}}
	tests := []struct {
		name, raw string
		want      Request
	}{
		{"nothing", "", Request{Root: Read{Items: star}}},
		{"filter", "a=eq.1", Request{Root: Read{Items: star, Where: []Cond{filter("a", "eq", "1")}}}},
		{"value with dots and commas", "a=eq.1.2,3",
			Request{Root: Read{Items: star, Where: []Cond{filter("a", "eq", "1.2,3")}}}},
		{"order of parameters does not matter", "b=lt.2&a=eq.1",
			Request{Root: Read{Items: star, Where: []Cond{filter("a", "eq", "1"), filter("b", "lt", "2")}}}},
		{"select", "select=a,b:c", Request{Selected: true,
			Root: Read{Items: []Item{column("a"), {Kind: Column, Alias: "b", Field: Field{Name: "c"}}}}}},
		{"select nothing", "select=", Request{Root: Read{Items: star}}},
		{"paging", "limit=2&offset=3", Request{Root: Read{Items: star, Limit: &two, Offset: 3}}},
		{"cursor", "after=", Request{Root: Read{Items: star}, After: &empty}},
		{"order", "order=a.desc.nullslast,b->>c", Request{Root: Read{Items: star, Order: []Term{
			{Field: Field{Name: "a"}, Desc: true, Nulls: "last"},
			{Field: Field{Name: "b", Path: []Step{{Key: "c", Text: true}}}}}}}},
		{"embed", "select=a,x:b!h!inner(c)&x.c=eq.1&b.limit=2", Request{Selected: true, Root: Read{Items: []Item{column("a"),
			{Kind: Embed, Target: &Target{Name: "b", Alias: "x", Hint: "h", Inner: true, Read: Read{
				Items: []Item{column("c")}, Where: []Cond{filter("c", "eq", "1")}, Limit: &two}}}}},
			Renamed: []Renamed{{"b", "x"}}}},
		{"logic", "or=(a.eq.1,not.and(b.is.null,c.in.(1,\"2,3\")))",
			Request{Root: Read{Items: star, Where: []Cond{{Logic: "or", Children: []Cond{
				filter("a", "eq", "1"), {Not: true, Logic: "and", Children: []Cond{filter("b", "is", "null"),
					{Filter: Filter{Field: Field{Name: "c"}, Op: "in", Values: []string{"1", "2,3"}}}}}}}}}}},
		{"embedded logic", "select=a(b)&a.not.or=(b.eq.1)",
			Request{Selected: true, Root: Read{Items: []Item{{Kind: Embed, Target: &Target{Name: "a",
				Read: Read{Items: []Item{column("b")},
					Where: []Cond{{Not: true, Logic: "or", Children: []Cond{filter("b", "eq", "1")}}}}}}}}}},
		{"quantifier", "a=like(any).{x*,y}", Request{Root: Read{Items: star,
			Where: []Cond{{Filter: Filter{Field: Field{Name: "a"}, Op: "like", Quantifier: "any", Value: "{x*,y}"}}}}}},
		{"language", "a=not.fts(english).x", Request{Root: Read{Items: star,
			Where: []Cond{{Not: true, Filter: Filter{Field: Field{Name: "a"}, Op: "fts", Language: "english", Value: "x"}}}}}},
		{"columns", "columns=b,a,b&on_conflict=c",
			Request{Root: Read{Items: star}, Columns: []string{"b", "a"}, OnConflict: []string{"c"}}},
		{"plus is a blank", "a=eq.x+y%2B", Request{Root: Read{Items: star, Where: []Cond{filter("a", "eq", "x y+")}}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := Parse(tt.raw, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParseErrors(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, raw, code string }{
		{"no operator", "a=1", "PGRST100"},
		{"unknown operator", "a=equals.1", "PGRST100"},
		{"unknown modifier", "a=eq(some).1", "PGRST100"},
		{"open list", "a=in.(1,2", "PGRST100"},
		{"after a list", "a=in.(1)x", "PGRST100"},
		{"is of something", "a=is.maybe", "PGRST100"},
		{"open embed", "select=a(b", "PGRST100"},
		{"closing alone", "select=a)", "PGRST100"},
		{"order word", "order=a.down", "PGRST100"},
		{"limit word", "limit=x", "PGRST100"},
		{"negative limit", "limit=-1", "PGRST103"},
		{"empty logic", "or=()", "PGRST100"},
		{"percent", "a=eq.%zz", "PGRST100"},
		{"zero byte", "a=eq.%00", "PGRST100"},
		{"zero byte in a list", "a=in.(%00)", "PGRST100"},
		{"long name", strings.Repeat("n", 64) + "=eq.1", "PGRST100"},
		{"not embedded", "b.c=eq.1", "PGRST108"},
		{"deep select", "select=" + strings.Repeat("a(", 9) + strings.Repeat(")", 9), "MOAT110"},
		{"deep logic", "or=" + strings.Repeat("(or", 9) + "(a.eq.1)" + strings.Repeat(")", 9), "MOAT110"},
		{"many embeds", "select=" + strings.TrimSuffix(strings.Repeat("a(),", 21), ","), "MOAT110"},
		{"many filters", strings.Repeat("a=eq.1&", 201), "MOAT110"},
		{"many values", "a=in.(" + strings.TrimSuffix(strings.Repeat("1,", 2001), ",") + ")", "MOAT110"},
		{"long", "a=eq." + strings.Repeat("x", 20000), "MOAT110"},
		{"long path", "a" + strings.Repeat("->b", 30) + "=eq.1", "MOAT110"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse(tt.raw, Options{})
			var p *problem.Error
			if !errors.As(err, &p) || p.Code != tt.code {
				t.Errorf("%v, want %s", err, tt.code)
			}
		})
	}
}

func TestPrefer(t *testing.T) {
	t.Parallel()
	p, err := ParsePrefer([]string{"return=minimal, count=exact", `return=representation,timezone="Europe/Berlin"`,
		"unknown=1"})
	if err != nil || p.Return != "minimal" || p.Count != "exact" || p.Timezone != "Europe/Berlin" || len(p.Invalid) != 1 {
		t.Errorf("%+v %v", p, err)
	}
	if _, err := ParsePrefer([]string{"handling=strict, unknown=1"}); err == nil {
		t.Error("an unknown preference is accepted with handling=strict")
	}
}

func TestAccept(t *testing.T) {
	t.Parallel()
	every := func(Format) bool { return true }
	tests := []struct {
		header string
		want   Format
	}{
		{"", JSON}, {"*/*", JSON}, {"text/csv", CSV}, {"text/csv;q=0.1, application/json", JSON},
		{"application/vnd.pgrst.object+json;nulls=stripped", Singular}, {"image/png, text/csv;q=0.5", CSV},
		{`application/vnd.pgrst.plan+json; for="application/json"; options=analyze|verbose`, PlanJSON},
	}
	for _, tt := range tests {
		if got, err := Accept([]string{tt.header}, Offer{Format: every}); err != nil || got.Format != tt.want {
			t.Errorf("%s: %v %v", tt.header, got, err)
		}
	}
	if _, err := Accept([]string{"image/png"}, Offer{Format: every}); err == nil {
		t.Error("an unknown media type is accepted")
	}
}

// FuzzParse: no input makes the parser panic, and what it refuses it refuses with a
// status of the 400s.
func FuzzParse(f *testing.F) {
	g := fuzzquery.Generator{Rand: rand.New(rand.NewPCG(1, 2)), Related: []string{"campaigns", "events"},
		Tables: map[string][]string{"leads": {"id", "name", "details", "tags"}}}
	for range 200 {
		f.Add(g.Query("leads"))
	}
	f.Fuzz(func(t *testing.T, raw string) {
		_, err := Parse(raw, Options{})
		var p *problem.Error
		if err != nil && (!errors.As(err, &p) || p.Status < 400 || p.Status > 499) {
			t.Errorf("%q: %v", raw, err)
		}
		all := Offer{Format: func(Format) bool { return true }}
		if _, err := Accept([]string{raw}, all); err != nil && !errors.As(err, &p) {
			t.Errorf("%q: %v", raw, err)
		}
		if _, err := ParsePrefer([]string{raw}); err != nil && !errors.As(err, &p) {
			t.Errorf("%q: %v", raw, err)
		}
		if err := ApplyRange(&Read{}, raw); err != nil && !errors.As(err, &p) {
			t.Errorf("%q: %v", raw, err)
		}
	})
}
