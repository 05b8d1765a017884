package database

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/body"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/policy"
	"github.com/moat-db/moat/prove"
)

// functions are the functions and procedures that the application role may call,
// each with several lists of arguments.
func (s *stage) functions() []*observable {
	var out []*observable
	for f := range catalog.Each(s.view.Snapshot.Functions) {
		if f.System || f.Extension != "" || !slices.Contains(s.model.Schemas, f.Schema) || !s.callable(f) {
			continue
		}
		name := f.Schema + "." + f.Name + "(" + f.Arguments + ")"
		o := &observable{attack: "function", object: name, writes: f.Volatile == "volatile" || f.Kind == "procedure",
			bound: !f.Definer && (f.Language == "sql" || f.Language == "plpgsql")}
		if o.definer = f.Definer || s.runsDefiner(f); o.definer {
			o.attack = "definer function"
		}
		if f.Kind != "aggregate" && s.readsNothing(f) {
			s.report.Add(prove.Probe{Attack: o.attack, Object: name, Verdict: prove.VerdictIsolated,
				Reason: "it reads and writes no table, and calls nothing that does"})
			continue
		}
		if relays(f) {
			s.report.Add(prove.Probe{Attack: o.attack, Object: name, Verdict: prove.VerdictLeak, Reason: "not run: it hands " +
				"the caller's text on to a second connection, which has neither the tenant nor the role that the policies bind",
				Script: "-- not run: it reaches outside the transaction"})
			continue
		}
		if why := s.outside.calling(f); why != "" && !s.Disposable {
			s.report.Add(prove.Probe{Attack: o.attack, Object: name, Verdict: prove.VerdictUndecided,
				Reason: notRun(why).reason})
			continue
		}
		calls, ok := s.calls(f, s.theirs())
		if !ok {
			s.report.Add(prove.Probe{Attack: o.attack, Object: name, Verdict: prove.VerdictUndecided,
				Reason: "no arguments are known for its types: call it by hand with tenant B's ids, or revoke EXECUTE"})
			continue
		}
		if len(f.Inputs()) > 0 { // a check by <> or NOT lets NULL pass
			calls, o.empty = append(calls, called(f, table(f.QName()), nothing(f))), true
		}
		o.sql, o.function = calls, f
		out = append(out, o)
	}
	return out
}

// relays says whether a function runs what its caller writes on a second connection, as
// whoever that connects as.
func relays(f *catalog.Function) bool {
	texts := list.Pick(f.Inputs(), func(p catalog.Param) (string, bool) {
		return p.Name, p.Type == "text" || strings.HasPrefix(p.Type, "character varying")
	})
	used := body.Scan(f)
	return f.Definer && len(texts) > 0 && used.Reconnects() && used.Relays(texts)
}

// callable says whether the application role may call a function.
func (p *prover) callable(f *catalog.Function) bool {
	if f.Result == "trigger" || f.Result == "event_trigger" || f.Kind == "window" ||
		f.Kind == "aggregate" && !p.runsDefiner(f) {
		return false
	}
	return p.executable(f)
}

func (p *prover) executable(f *catalog.Function) bool {
	return p.member(f.Owner) || slices.ContainsFunc(f.Privileges, func(g catalog.Privilege) bool {
		return g.Name == "EXECUTE" && (g.Grantee == "" || p.member(g.Grantee))
	})
}

// runsDefiner says whether an aggregate runs a function with the rights of its owner. Others
// do nothing that their caller could not do.
func (p *prover) runsDefiner(f *catalog.Function) bool {
	return slices.ContainsFunc(p.view.Snapshot.Functions, func(part catalog.Function) bool {
		return part.Definer && slices.Contains(f.Parts, part.OID)
	})
}

// readsNothing says whether a function can touch no row at all: its text names no table,
// runs no SQL that is put together, and calls only functions of which that is true.
func (p *prover) readsNothing(f *catalog.Function) bool {
	return p.touchesNothing(f, map[*catalog.Function]bool{})
}

func (p *prover) touchesNothing(f *catalog.Function, seen map[*catalog.Function]bool) bool {
	if seen[f] {
		return true
	}
	seen[f] = true
	if f.Extension != "" {
		return slices.Contains(plainExtensions, f.Extension)
	}
	used := body.Scan(f)
	if f.System || used.Foreign || len(used.Tables) > 0 || used.Mentions("execute", "table", "call", "copy", "open") {
		return false
	}
	for word := range body.Words(f.Body) {
		if reaches.MatchString(word) {
			return false
		}
		for called := range catalog.Each(p.view.Snapshot.Functions) {
			if called.Name == word && !called.System && !p.touchesNothing(called, seen) {
				return false
			}
		}
	}
	return true
}

// plainExtensions are those whose functions compute from their arguments alone.
var plainExtensions = []string{"pgcrypto", "uuid-ossp", "citext", "unaccent", "pg_trgm", "hstore", "ltree",
	"btree_gist", "btree_gin", "fuzzystrmatch", "intarray", "cube", "earthdistance", "vector", "isn", "seg"}

// reaches recognizes the system's functions that read rows, values or files although
// no table is named.
var reaches = regexp.MustCompile(`_to_xml|^ts_stat|^ts_rewrite|^pg_(read|ls|stat|get|cancel|terminate|export)|` +
	`^pg_(relation|total|table|database)|` +
	`^lo_|currval|lastval|nextval|setval|^set_config$|^txid|^query_to|^cursor_to|^row_security`)

// mostCalls is how many lists of arguments are tried.
const mostCalls = 16

// side is a tenant of whose ids a function's arguments are made.
type side struct {
	tenant, person string
	rows           func(*site) []row
	secrets        bool // what only the tenant knows: the token of its invitation
}

// theirs are B's, which an attacker would pass; ours are A's.
func (s *stage) theirs() side {
	return side{s.b, s.people[s.b].subject, func(st *site) []row { return st.rowsB }, false}
}

func (s *stage) ours() side {
	return side{s.a, s.people[s.a].subject, func(st *site) []row { return st.rowsA }, true}
}

// calls writes the calls.
func (s *stage) calls(f *catalog.Function, of side) (calls []string, ok bool) {
	lists := [][]string{{}}
	for _, p := range f.Params {
		if p.Mode == "out" || p.Mode == "table" {
			continue
		}
		values := s.arguments(f, p, of)
		if len(values) == 0 {
			if p.HasDefault || p.Mode == "variadic" {
				break
			}
			return nil, false
		}
		spread := ""
		if p.Mode == "variadic" {
			spread = "VARIADIC "
		}
		var next [][]string
		for _, l := range lists {
			for _, v := range values {
				next = append(next, append(slices.Clone(l), spread+lit(v)+"::"+p.Type))
			}
		}
		if len(next) > 400 {
			next = next[:400]
		}
		lists = next
	}
	name := table(catalog.QName{Schema: f.Schema, Name: f.Name})
	if l := s.borrowed(f, of); l != nil {
		calls = append(calls, called(f, name, l))
	}
	calls = append(calls, list.Map(s.hostile(f, lists), func(l []string) string { return called(f, name, l) })...)
	most := len(calls) + mostCalls
	stride := max(1, len(lists)/mostCalls)
	for i := 0; i < len(lists) && len(calls) < most; i += stride {
		calls = append(calls, called(f, name, lists[i]))
	}
	return calls, true
}

// borrowed are B's ids under A's tenant, for a function that checks the one and looks up the
// other; nil where it has not both.
func (s *stage) borrowed(f *catalog.Function, of side) []string {
	var list []string
	own, theirs := false, false
	for _, p := range f.Inputs() {
		if p.Mode == "variadic" {
			return nil
		}
		v := ""
		if p.Type == s.model.Type && s.namesTenant(p.Name) {
			v, own = s.a, true
		} else if keys := s.keysOf(p, of); len(keys) > 0 {
			v, theirs = keys[0], true
		} else if all := s.arguments(f, p, of); len(all) > 0 {
			v = all[0]
		} else {
			return nil
		}
		list = append(list, lit(v)+"::"+p.Type)
	}
	if !own || !theirs {
		return nil
	}
	return list
}

// namesTenant says whether a parameter is named for the tenant.
func (s *stage) namesTenant(name string) bool {
	name = strings.ToLower(name)
	column := strings.TrimSuffix(strings.ToLower(s.model.Column), "_id")
	return column != "" && strings.Contains(name, column) || strings.Contains(name, "tenant")
}

// nothing is NULL for each parameter that a call names.
func nothing(f *catalog.Function) []string {
	return list.Pick(f.Inputs(), func(p catalog.Param) (string, bool) { return "NULL::" + p.Type, p.Mode != "variadic" })
}

// called writes one call. A cursor that is returned is read to its end.
func called(f *catalog.Function, name string, arguments []string) string {
	call := name + "(" + strings.Join(arguments, ", ") + ")"
	switch {
	case f.Kind == "aggregate":
		return "SELECT " + call
	case f.Kind == "procedure":
		return "CALL " + call
	case f.Result == "refcursor":
		return "SELECT pg_catalog.cursor_to_xml(" + call + ", 500, true, false, '')"
	case f.Result == "SETOF refcursor":
		return "SELECT pg_catalog.cursor_to_xml(c, 500, true, false, '') FROM " + call + " c LIMIT 50"
	case f.ReturnsSet && f.Result == "SETOF record":
		return "SELECT " + call
	}
	return "SELECT * FROM " + call + " LIMIT 500"
}

// injections are texts that break out of SQL that a function puts together.
var injections = []string{"' OR true --", "') OR true --", "%' OR true --", "x' OR 'a' = 'a", "true", "1 OR true",
	"1 = 1) --", "' UNION SELECT NULL --"}

// hostile are lists of arguments with one text that breaks out, for a function that puts
// SQL together; among them is one that asks for B's planted rows by name.
func (s *stage) hostile(f *catalog.Function, lists [][]string) [][]string {
	used := body.Scan(f)
	if len(lists) == 0 || !used.Dynamic && !used.Mentions("execute", "query_to_xml", "ts_stat") {
		return nil
	}
	texts := slices.Clone(injections)
	for _, t := range s.targets {
		if st := s.sites[t]; t.isTable() && s.private(t) && len(st.rowsB) > 0 && len(texts) < mostInjections {
			asked := "EXISTS (SELECT 1 FROM " + t.sql() + " x WHERE " + st.planted("x") + ")"
			texts = append(texts, "' OR "+asked+" --", "x' AND "+asked+" --", asked)
		}
	}
	var out [][]string
	for i, p := range f.Inputs() {
		if i >= len(lists[0]) || p.Type != "text" && !strings.HasPrefix(p.Type, "character varying") {
			continue
		}
		for _, text := range texts {
			one := slices.Clone(lists[0])
			one[i] = lit(text) + "::" + p.Type
			out = append(out, one)
		}
	}
	return out
}

// mostInjections bounds the texts that are tried for one parameter.
const mostInjections = 17

// arguments are values worth passing for a parameter: the tenant itself, the keys of
// its rows, names of tables, patterns that match everything.
func (s *stage) arguments(f *catalog.Function, p catalog.Param, of side) []string {
	if element, is := strings.CutSuffix(p.Type, "[]"); is {
		return s.arrays(f, p, element, of)
	}
	if r := s.rowType(p.Type); r != nil {
		return s.rowValues(r, of)
	}
	c := &catalog.Column{Name: p.Name, Type: p.Type, TypeName: builtin(p.Type)}
	for _, t := range s.view.Snapshot.Types {
		if p.Type == t.Name || p.Type == t.Schema+"."+t.Name {
			c.TypeName = catalog.QName{Schema: t.Schema, Name: t.Name}
			break
		}
	}
	var out []string
	kind := s.sower.kind(c)
	switch {
	case p.Type == s.model.Type:
		out = append(out, of.tenant)
	case kind == "text":
		out = append(out, "%", "", of.tenant)
	}
	if kind == "text" || p.Type == "regclass" {
		for _, t := range s.targets {
			if s.private(t) && t.isTable() && len(out) < 8 {
				out = append(out, t.sql(), "SELECT * FROM "+t.sql())
			}
		}
	}
	if p.Type == "jsonb" || p.Type == "json" {
		return append([]string{"{}", `{"tenant_id": "` + of.tenant + `"}`}, s.documents(f, of)...)
	}
	if p.Type == "boolean" {
		return []string{"true", "false"}
	}
	out = append(out, s.keysOf(p, of)...)
	if of.person != "" && p.Type == s.model.Type {
		out = append(out, of.person)
	}
	if v, ok := s.sower.maker.value(c, 'z', 0); ok {
		out = append(out, v)
	}
	if kind == "number" {
		out = append(out, "1", "0", "100")
	}
	return once(out)
}

// keysOf lists key values of a side's planted rows that fit a parameter's type, those of
// columns named like it first. Planted keys exist on the second look only, which is what
// makes a difference visible.
func (s *stage) keysOf(p catalog.Param, of side) []string {
	var named, others []string
	for _, t := range s.targets {
		st := s.sites[t]
		for _, r := range of.rows(st) {
			keys := t.key
			if of.secrets {
				keys = append(slices.Clone(keys), t.secretColumns()...)
			}
			for _, name := range keys {
				c := t.column(name)
				if c == nil || name == t.tenant || c.Type != p.Type || r[name] == null || r[name] == "" {
					continue
				}
				if strings.Contains(strings.ToLower(p.Name), strings.TrimSuffix(t.rel.Name, "s")) ||
					strings.HasSuffix(p.Name, name) && !slices.Contains(t.key, name) {
					named = append(named, r[name])
				} else if len(others) < 4 {
					others = append(others, r[name])
				}
			}
			break
		}
	}
	return append(named, others...)
}

// worksForA reports whether a function that refused all of B's ids does its work for A's, or
// says of them what it said of none of B's: then it was its own check that refused, and not
// arguments that it takes from nobody.
func (s *stage) worksForA(ctx context.Context, o *observable) bool {
	calls, ok := s.calls(o.function, s.ours())
	if !ok {
		return false
	}
	as, err := s.operator.bind.to(ctx, s.a)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(calls, func(sql string) bool {
		got := s.operator.try(ctx, attempt{as: as, steps: []string{sql}})
		if got.err == nil {
			return got.broken == nil
		}
		own := "error " + got.err.Code + " " + got.err.Message + got.err.Detail
		return (strings.HasPrefix(got.err.Code, "P0") || constraint(got.err)) && !slices.Contains(o.after, own)
	})
}

// secretColumns are those that hold what only their tenant knows, by their names.
func (t *target) secretColumns() []string {
	return list.Pick(t.rel.Columns, func(c catalog.Column) (string, bool) { return c.Name, policy.NamesSecret(c.Name) })
}

// harm calls what may write once more and looks at B's rows afterwards.
func (s *stage) harm(ctx context.Context, o *observable) (finding, int) {
	if !o.writes || s.calm == "" {
		return finding{}, 0
	}
	watch := s.watch(o.step())
	for i, sql := range o.asked(o.sql) {
		as, err := s.operator.bind.to(ctx, s.a)
		if err != nil {
			return undecided("%v", err), i
		}
		call := func() outcome {
			return s.operator.try(ctx, attempt{as: as, steps: []string{sql}, watch: watch})
		}
		got := call()
		f := s.harmed(got)
		if f.verdict == prove.VerdictLeak {
			f, _ = confirm(ctx, s.settle, got, s.harmed, call)
		}
		if f.verdict != "" {
			o.harmed = f.verdict == prove.VerdictLeak
			return f, i
		}
	}
	return finding{}, 0
}

// harmed judges a call by B's rows; no verdict where they are as they were.
func (s *stage) harmed(o outcome) finding {
	if o.err != nil || o.broken != nil || len(o.watched) == 0 {
		return finding{}
	}
	if change := s.changed(o); change != "" {
		return leak("a call by tenant A changed tenant B's rows: %s", change)
	}
	return finding{}
}
