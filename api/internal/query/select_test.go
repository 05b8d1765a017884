package query

import (
	"errors"
	"math"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/moat-db/moat/api/internal/problem"
)

// parsed is the request of a query string that is right.
func parsed(t *testing.T, raw string, o Options) *Request {
	t.Helper()
	r, err := Parse(raw, o)
	if err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	return r
}

func TestSelectItems(t *testing.T) {
	t.Parallel()
	column := func(name string, path ...Step) Item { return Item{Kind: Column, Field: Field{Name: name, Path: path}} }
	with := func(i Item, change func(*Item)) Item { change(&i); return i }
	tests := []struct {
		list string
		want Item
	}{
		{"*", Item{Kind: Star}},
		{"a b", column("a b")},
		{" a ", column("a")},
		{"kebab-case", column("kebab-case")},
		{`"a,b:c(\"d\")"`, column(`a,b:c("d")`)},
		{`"*"`, column("*")},
		{"ü", column("ü")},
		{"a->b", column("a", Step{Key: "b"})},
		{"a->0->>-1", column("a", Step{Key: "0", Index: true}, Step{Key: "-1", Index: true, Text: true})},
		{`a->"b->c"`, column("a", Step{Key: "b->c"})},
		{"a->1b", column("a", Step{Key: "1b"})},
		{"a->1234567890", column("a", Step{Key: "1234567890"})}, // too long for an index: a key
		{"a::text", with(column("a"), func(i *Item) { i.Cast = "text" })},
		{"a::numeric(10,2)", with(column("a"), func(i *Item) { i.Cast = "numeric(10,2)" })},
		{"x:a::int", with(column("a"), func(i *Item) { i.Alias, i.Cast = "x", "int" })},
		{"x:a->>b::int", with(column("a", Step{Key: "b", Text: true}), func(i *Item) { i.Alias, i.Cast = "x", "int" })},
		{"a.sum()", with(column("a"), func(i *Item) { i.Aggregate = "sum" })},
		{"a::int.avg()::text", with(column("a"), func(i *Item) {
			i.Cast, i.Aggregate, i.AggregateCast = "int", "avg", "text"
		})},
		{"a.count()", with(column("a"), func(i *Item) { i.Aggregate = "count" })},
		{"count()", Item{Kind: Count}},
		{"n:count()::int", Item{Kind: Count, Alias: "n", AggregateCast: "int"}},
		{"b!left()", Item{Kind: Embed, Target: &Target{Name: "b"}}},
		{"b!inner!h()", Item{Kind: Embed, Target: &Target{Name: "b", Hint: "h", Inner: true}}},
		{"...b(*)", Item{Kind: Embed, Target: &Target{Name: "b", Spread: true, Read: Read{Items: []Item{{Kind: Star}}}}}},
		{"...x:b!h()", Item{Kind: Embed, Target: &Target{Name: "b", Alias: "x", Hint: "h", Spread: true}}},
		{"b(c(d))", Item{Kind: Embed, Target: &Target{Name: "b", Read: Read{Items: []Item{
			{Kind: Embed, Target: &Target{Name: "c", Read: Read{Items: []Item{column("d")}}}}}}}}},
	}
	for _, tt := range tests {
		t.Run(tt.list, func(t *testing.T) {
			t.Parallel()
			got := parsed(t, "select="+strings.ReplaceAll(tt.list, "+", "%2B"), Options{}).Root.Items
			if diff := cmp.Diff([]Item{tt.want}, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSelectRefuses(t *testing.T) {
	t.Parallel()
	for _, list := range []string{
		"a,", ",a", "a..sum()", "a.median()", "a.sum", "a::", "a::" + strings.Repeat("t", 64), `""`, `"open`, "a->", "a->-",
		"b!(c)", "b!h!other()", "b!inner", "...b", "x:", "x:y:z", "*a", "a)b", "count()x", "\xff",
	} {
		_, err := Parse("select="+strings.ReplaceAll(list, "\xff", "%ff"), Options{})
		var p *problem.Error
		if !errors.As(err, &p) || p.Code != "PGRST100" || p.Status != http.StatusBadRequest {
			t.Errorf("%s: %v", list, err)
		}
	}
}

func TestOrderTerms(t *testing.T) {
	t.Parallel()
	a := Field{Name: "a"}
	for list, want := range map[string][]Term{
		"a":                        {{Field: a}},
		"a.asc":                    {{Field: a}},
		"a.desc.asc":               {{Field: a}}, // the last word counts
		"a.nullsfirst":             {{Field: a, Nulls: "first"}},
		"a.desc.nullsfirst , b":    {{Field: a, Desc: true, Nulls: "first"}, {Field: Field{Name: "b"}}},
		"b(a).desc":                {{Field: a, Related: "b", Desc: true}},
		"b(a->x)":                  {{Field: Field{Name: "a", Path: []Step{{Key: "x"}}}, Related: "b"}},
		`"a.desc".desc`:            {{Field: Field{Name: "a.desc"}, Desc: true}},
		"a->>b.desc.nullslast,b()": nil,
		"a,":                       nil,
		"b(a":                      nil,
		"b(a(c))":                  nil,
		"a->b(c)":                  nil,
		"a.desc nullslast":         nil,
		"a.DESC":                   nil,
	} {
		r, err := Parse("order="+list, Options{})
		if (err == nil) != (want != nil) {
			t.Errorf("%s: %v", list, err)
		} else if err == nil {
			if diff := cmp.Diff(want, r.Root.Order); diff != "" {
				t.Errorf("%s: %s", list, diff)
			}
		}
	}
}

// The values of a filter: what ends one, what a quote means, and what is a value and no
// operator.
func TestFilterValues(t *testing.T) {
	t.Parallel()
	in := func(values ...string) Cond {
		return Cond{Filter: Filter{Field: Field{Name: "a"}, Op: OpIn, Values: values}}
	}
	tree := func(c Cond) Cond { return Cond{Logic: "or", Children: []Cond{c}} }
	not := func(c Cond) Cond { c.Not = true; return c }
	quantified := filter("a", "eq", "{1,2}")
	quantified.Filter.Quantifier = "all"
	for raw, want := range map[string]Cond{
		"a=eq.":                        filter("a", "eq", ""),
		"a=eq.not.1":                   filter("a", "eq", "not.1"),
		"a=not.eq.1":                   not(filter("a", "eq", "1")),
		"not=eq.1":                     filter("not", "eq", "1"),
		"a=IS.null":                    {},
		"a=is.NULL":                    filter("a", "is", "null"),
		"a=not.is.not_null":            not(filter("a", "is", "not_null")),
		"a=is.unknown":                 filter("a", "is", "unknown"),
		`a=eq."q"`:                     filter("a", "eq", `"q"`), // no quotes outside of lists
		"a=in.()":                      in([]string{}...),
		"a=in.(,)":                     in("", ""),
		`a=in.("a,b","c\"d",e"f,"g"h)`: in("a,b", `c"d`, `e"f`, `"g"h`),
		"a=in.( 1)":                    in("1"),
		"a=eq(all).{1,2}":              quantified,
		"a=in(any).(1)":                {},
		"a=is(any).null":               {},
		"a=fts().x":                    {},
		"a=in.1":                       {},
		"or=(a.eq.1,)":                 {},
		"or=(a.eq.1)x":                 {},
		"or=(a.eq.1":                   {},
		"or=a.eq.1":                    {},
		"or=( a.eq.1 )":                tree(filter("a", "eq", "1 ")),
		"or=(a.not.in.(1))":            tree(not(in("1"))),
		`or=(a.eq."x),(y")`:            tree(filter("a", "eq", "x),(y")),
		"or=(a.cs.{1,2})":              tree(filter("a", "cs", "{1,2}")),
		`or=(a.cs.{"}",{x}})`:          tree(filter("a", "cs", `{"}",{x}}`)),
		"or=(a.cs.{open)":              tree(filter("a", "cs", "{open")),
		"or=(not.or(a.eq.1),and(b.lt.2))": {Logic: "or", Children: []Cond{
			{Not: true, Logic: "or", Children: []Cond{filter("a", "eq", "1")}},
			{Logic: "and", Children: []Cond{filter("b", "lt", "2")}},
		}},
		"or=(andor(a.eq.1))":    {},
		`or=(a.cs.{"x","y,z"})`: tree(filter("a", "cs", `{"x","y,z"}`)),
		"or=(order.eq.1)":       tree(filter("order", "eq", "1")),
		"or=(and.eq.1)":         tree(filter("and", "eq", "1")),
		`"order"=eq.1`:          filter("order", "eq", "1"),
		"order->a=eq.1": {
			Filter: Filter{Field: Field{Name: "order", Path: []Step{{Key: "a"}}}, Op: "eq", Value: "1"}},
	} {
		r, err := Parse(raw, Options{})
		if refused := cmp.Equal(want, Cond{}); refused != (err != nil) {
			t.Errorf("%s: %v", raw, err)
		} else if err == nil {
			if diff := cmp.Diff([]Cond{want}, r.Root.Where); diff != "" {
				t.Errorf("%s: %s", raw, diff)
			}
		}
	}
}

// A parameter of a function is its argument and not a filter; what the language reserves
// is never one.
func TestArguments(t *testing.T) {
	t.Parallel()
	argument := func(name, value string) bool { return !strings.HasPrefix(value, "eq.") && name != "limit" }
	r := parsed(t, "b=2&a=1&c=eq.3&select=x&limit=5&a=4", Options{Argument: argument})
	want := []Argument{{"a", "1"}, {"a", "4"}, {"b", "2"}}
	if diff := cmp.Diff(want, r.Arguments); diff != "" || len(r.Root.Where) != 1 || !r.Selected || *r.Root.Limit != 5 {
		t.Errorf("%s %+v", diff, r)
	}
}

// Of several embeds of one table a filter reaches the one with that alias, and the table's
// name the first.
func TestEmbedsAreFoundByAlias(t *testing.T) {
	t.Parallel()
	r := parsed(t, "select=x:b(*,c(*)),y:b(*)&y.limit=1&b.offset=2&x.c.order=d", Options{})
	x, y := &r.Root.Items[0].Target.Read, &r.Root.Items[1].Target.Read
	if y.Limit == nil || y.Offset != 0 || x.Limit != nil || x.Offset != 2 || len(x.Items[1].Target.Read.Order) != 1 {
		t.Errorf("x %+v, y %+v", x, y)
	}
}

// Each limit lets through as many as it says, and not one more.
func TestLimits(t *testing.T) {
	t.Parallel()
	limits := Limits{Bytes: 60, Depth: 2, Embeds: 2, Items: 3, Filters: 2, Values: 2}
	for _, tt := range []struct{ fits, over string }{
		{"a=eq." + strings.Repeat("x", 55), "a=eq." + strings.Repeat("x", 56)},
		{"select=a(b)", "select=a(b(c))"},
		{"select=a(b)&a.limit=1", "a.b.c.limit=1"},
		{"or=(a.eq.1,and(b.eq.2))", "or=(and(or(a.eq.1)))"},
		{"select=a(),b()", "select=a(),b(),c()"},
		{"select=a,b,c", "select=a,b,c,d"},
		{"select=a,b&order=c", "select=a,b&order=c,d"},
		{"columns=a,b,c", "columns=a,b,c,d"},
		{"a=eq.1&b=eq.2", "a=eq.1&or=(b.eq.2,c.eq.3)"},
		{"a=in.(1,2)", "a=in.(1,2,3)"},
		{"a->1->2->3->4=eq.1", "a->1->2->3->4->5=eq.1"},
	} {
		parsed(t, tt.fits, Options{Limits: limits})
		_, err := Parse(tt.over, Options{Limits: limits})
		var p *problem.Error
		if !errors.As(err, &p) || p.Code != "MOAT110" {
			t.Errorf("%s: %v", tt.over, err)
		}
	}
}

func TestApplyRange(t *testing.T) {
	t.Parallel()
	n := func(v int64) *int64 { return &v }
	for _, tt := range []struct {
		header        string
		offset        int64
		limit         *int64
		wantOffset    int64
		wantLimit     *int64
		notSatisfable bool
	}{
		{header: "items=0-9", wantLimit: n(10)},
		{header: " 10-19", wantOffset: 10, wantLimit: n(10)},
		{header: "5-", wantOffset: 5},
		{header: "5-5", wantOffset: 5, wantLimit: n(1)},
		{header: "5-4", notSatisfable: true},
		// The page of the query string and that of the header overlap.
		{header: "5-99", offset: 2, limit: n(10), wantOffset: 5, wantLimit: n(7)},
		{header: "50-99", offset: 2, limit: n(10), wantOffset: 50, wantLimit: n(0)},
		{header: "0-3", offset: 2, limit: n(10), wantOffset: 2, wantLimit: n(4)},
		{header: "0-9223372036854775807", wantLimit: n(math.MaxInt64)},
		// What is not a range of rows is ignored.
		{header: "", limit: n(3), wantLimit: n(3)},
		{header: "bytes=0-9"},
		{header: "a-b"},
		{header: "-5"},
		{header: "5--1"},
		{header: "0-99999999999999999999"},
	} {
		r := &Read{Offset: tt.offset, Limit: tt.limit}
		err := ApplyRange(r, tt.header)
		if (err != nil) != tt.notSatisfable {
			t.Errorf("%q: %v", tt.header, err)
		} else if diff := cmp.Diff(&Read{Offset: tt.wantOffset, Limit: tt.wantLimit}, r); err == nil && diff != "" {
			t.Errorf("%q: %s", tt.header, diff)
		}
	}
}
