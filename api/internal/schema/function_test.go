package schema

import (
	"strings"
	"testing"
	"time"

	"github.com/moat-db/moat/catalog"
)

// function adds a function that everybody may call; parameters are "mode name type".
func (w *world) function(name, result string, params ...string) *catalog.Function {
	f := catalog.Function{Schema: "app", Name: name, Kind: "function", Result: result, Privileges: to("", "EXECUTE")}
	for _, p := range params {
		mode, rest, _ := strings.Cut(p, " ")
		called, kind, _ := strings.Cut(rest, " ")
		f.Params = append(f.Params, catalog.Param{Mode: mode, Name: called, Type: kind})
	}
	w.snapshot.Functions = append(w.snapshot.Functions, f)
	return &w.snapshot.Functions[len(w.snapshot.Functions)-1]
}

// The statement_timeout of a function is text as it was written.
func TestFunctionLasts(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{"": 0, "0": 0, "1500": 1500 * time.Millisecond,
		"90s": 90 * time.Second, "1.5 min": 90 * time.Second, "2h": 2 * time.Hour,
		"1d": 24 * time.Hour, "700us": 700 * time.Microsecond, "soon": 0} {
		if got := (&Function{Timeout: text}).Lasts(); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

func TestCallableFunctions(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(*catalog.Function)
		want   bool
	}{
		"of everybody":       {func(*catalog.Function) {}, true},
		"of the role":        {func(f *catalog.Function) { f.Privileges = to("app", "EXECUTE") }, true},
		"of another role":    {func(f *catalog.Function) { f.Privileges = to("other", "EXECUTE") }, false},
		"a procedure":        {func(f *catalog.Function) { f.Kind = "procedure" }, false},
		"an aggregate":       {func(f *catalog.Function) { f.Kind = "aggregate" }, false},
		"an extension's":     {func(f *catalog.Function) { f.Extension = "citext" }, false},
		"PostgreSQL's":       {func(f *catalog.Function) { f.System = true }, false},
		"of another schema":  {func(f *catalog.Function) { f.Schema = "other" }, false},
		"a trigger's":        {func(f *catalog.Function) { f.Result = "trigger" }, false},
		"an event trigger's": {func(f *catalog.Function) { f.Result = "event_trigger" }, false},
		"internal":           {func(f *catalog.Function) { f.Result = "internal" }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			w.table("x")
			tt.change(w.function("f", "text"))
			if got := len(w.build(t).FunctionNames("app")) == 1; got != tt.want {
				t.Errorf("callable: %v", got)
			}
		})
	}
}

// What a function gives decides how its answer is written and whether it can be filtered.
func TestFunctionResults(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, result string
		params       []string
		want         string // the facts that hold
		columns      string // that the result can be filtered by
	}{
		{"scalar", "bigint", nil, "scalar", ""},
		{"nothing", "void", nil, "void", ""},
		{"enum", "app.mood", nil, "scalar", ""},
		{"array", "text[]", nil, "", ""},
		{"record", "record", nil, "composite", ""},
		{"row", "app.leads", nil, "composite table", "tenant_id id"},
		{"row of the default schema", "leads", nil, "composite table", "tenant_id id"},
		{"quoted row", `app."leads"`, nil, "composite table", "tenant_id id"},
		{"rows", "SETOF app.leads", nil, "set composite table", "tenant_id id"},
		{"row that is not exposed", "app.hidden", nil, "composite", ""},
		{"composite", "app.pair", nil, "composite", "first second"},
		{"bare composite", "pair", nil, "composite", "first second"},
		{"out", "record", []string{"in a int", "out x text", "inout y int"}, "composite", "x y"},
		{"out without a name", "integer", []string{"out  integer"}, "scalar", ""},
		{"table", "SETOF record", []string{"table x text", "table y app.mood"}, "set composite", "x y"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			w.table("leads", "id")
			w.table("hidden", "secret").RLS = false
			w.snapshot.Types = []catalog.Type{{Schema: "app", Name: "mood", Kind: "enum", Labels: []string{"good"}},
				{Schema: "app", Name: "pair", Kind: "composite",
					Attributes: []catalog.Attribute{{Name: "first"}, {Name: "second"}}}}
			w.function("f", tt.result, tt.params...)
			f := w.build(t).Functions[Name{Schema: "app", Name: "f"}][0]
			var facts, columns []string
			for _, one := range []struct {
				name string
				is   bool
			}{{"set", f.Set}, {"composite", f.Composite}, {"scalar", f.Scalar}, {"void", f.Void}, {"table", f.Table != nil}} {
				if one.is {
					facts = append(facts, one.name)
				}
			}
			for _, name := range []string{"tenant_id", "id", "secret", "first", "second", "a", "x", "y"} {
				if f.ResultColumn(name) {
					columns = append(columns, name)
				}
			}
			if got := strings.Join(facts, " "); got != tt.want || strings.Join(columns, " ") != tt.columns {
				t.Errorf("%s, columns %v", got, columns)
			}
		})
	}
}

func TestFunctionParameters(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.table("x")
	w.function("f", "text", "in a int", "inout b int", "variadic c text[]", "out d int")
	w.snapshot.Functions[0].Params[0].HasDefault = true
	f := w.build(t).Functions[Name{Schema: "app", Name: "f"}][0]
	if len(f.Params) != 3 || !f.Param("a").HasDefault || f.Param("b").HasDefault || f.Param("d") != nil {
		t.Errorf("%+v", f.Params)
	}
	if f.Param("b").Variadic || !f.Param("c").Variadic {
		t.Errorf("variadic: %+v", f.Params)
	}
	if f.SQL() != `"app"."f"` {
		t.Error(f.SQL())
	}
}

// A function of one row is a column of its table, or a way to the rows of another; it
// cannot be called by itself. A row of what is not exposed is a parameter like any other.
func TestComputed(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.table("leads", "id")
	w.table("events", "id")
	w.table("hidden", "id").RLS = false
	w.function("shout", "text", "in l app.leads")
	w.function("best", "app.leads", "in l app.leads")
	w.function("events", "SETOF app.events", "in l app.leads")
	w.function("last_event", "SETOF app.events", "in l app.leads").OneRow = true
	w.function("of_two", "text", "in l app.leads", "in n int")
	w.function("of_hidden", "text", "in h app.hidden")
	s := w.build(t)
	leads := s.Table("app", "leads")
	if leads.Computed["shout"] == nil || leads.Computed["best"] == nil || leads.Computed["events"] != nil {
		t.Errorf("computed columns: %v", leads.Computed)
	}
	if got := strings.Join(s.FunctionNames("app"), " "); got != "of_hidden of_two" {
		t.Errorf("callable: %s", got)
	}
	for name, want := range map[string]Cardinality{"events": OneToMany, "last_event": ManyToOne, "best": ManyToOne} {
		found := s.Relationships(leads, name, "")
		if len(found) != 1 || found[0].Cardinality != want || found[0].Function == nil {
			t.Errorf("%s: %+v", name, found)
		} else if found[0].ToOne() != (want == ManyToOne) {
			t.Errorf("%s is to one: %v", name, found[0].ToOne())
		}
	}
	if got := strings.Join(s.TargetNames(leads), " "); got != "best events last_event" {
		t.Errorf("targets: %s", got)
	}
}
