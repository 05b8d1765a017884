package database

import (
	"cmp"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/body"
	"github.com/moat-db/moat/internal/list"
)

// outside says which functions, and which statements by the code that runs with them,
// reach what no rollback takes back: other servers and sessions, files, programs. What
// cannot be read counts as reaching it.
type outside struct {
	view *catalog.Lookup
	// means is true when something in the database reaches outside: then so may SQL that
	// is put together while it runs.
	means bool
	byKey map[any]*step
	found map[any]string
	// held are triggers that were switched off for the length of the stage.
	held map[*catalog.Trigger]bool
	// unfenced is true when numbers drawn from a sequence would stay drawn.
	unfenced bool
}

// A step is something that runs: a function, the reading of a relation, the writing of
// one. It reaches outside for a reason of its own, or by what runs next.
type step struct {
	why  string
	next []any // *catalog.Function, reading, writing
}

type (
	reading struct{ *catalog.Relation }
	writing struct{ *catalog.Relation }
)

func newOutside(l *catalog.Lookup) *outside {
	o := &outside{view: l, held: map[*catalog.Trigger]bool{}}
	o.forget()
	o.means = len(l.Snapshot.Servers) > 0
	for f := range catalog.Each(l.Snapshot.Functions) {
		o.means = o.means || !f.System && ownReason(f) != ""
	}
	return o
}

// forget empties what was worked out: other triggers are held now.
func (o *outside) forget() { o.byKey, o.found = map[any]*step{}, map[any]string{} }

func (o *outside) calling(f *catalog.Function) string   { return o.why(f) }
func (o *outside) reading(r *catalog.Relation) string   { return o.why(reading{r}) }
func (o *outside) writing(r *catalog.Relation) string   { return o.why(writing{r}) }
func (o *outside) trigger(t *catalog.Trigger) string    { return o.any(o.named(t.Function)) }
func (o *outside) event(e *catalog.EventTrigger) string { return o.any(o.named(e.Function)) }

// expression says why evaluating an expression reaches outside.
func (o *outside) expression(sql string) string {
	s := &step{}
	o.code(sql, s)
	return cmp.Or(outwardText("it", sql), o.any(s.next))
}

func (o *outside) any(keys []any) string {
	for _, k := range keys {
		if why := o.why(k); why != "" {
			return why
		}
	}
	return ""
}

// why follows what runs from one step on, and returns the first reason met.
func (o *outside) why(from any) string {
	if why, known := o.found[from]; known {
		return why
	}
	open, seen := []any{from}, map[any]bool{from: true}
	why := ""
	for n := 0; n < len(open) && why == ""; n++ {
		at := o.step(open[n])
		why = at.why
		for _, k := range at.next {
			if !seen[k] {
				seen[k] = true
				open = append(open, k)
			}
		}
	}
	o.found[from] = why
	return why
}

func (o *outside) step(key any) *step {
	s := o.byKey[key]
	if s == nil {
		s = &step{}
		switch k := key.(type) {
		case *catalog.Function:
			o.function(k, s)
		case reading:
			o.reads(k.Relation, s)
		case writing:
			o.writes(k.Relation, s)
		}
		o.byKey[key] = s
	}
	return s
}

// function notes why a function reaches outside, and what it calls, reads and writes.
func (o *outside) function(f *catalog.Function, s *step) {
	if s.why = ownReason(f); s.why != "" || f.System || f.Extension != "" {
		return
	}
	used := body.Scan(f)
	if used.Opaque() && o.means {
		s.why = f.Signature() + " puts SQL together while it runs, in a database where SQL can reach outside"
	}
	if o.unfenced && used.Mentions("nextval", "setval") {
		s.why = f.Signature() + " draws from a sequence, which could not be fenced"
	}
	o.code(f.Body, s)
	for _, t := range used.Tables {
		for _, r := range o.tables(t) {
			s.next = append(s.next, reading{r})
			if t.Writes() {
				s.next = append(s.next, writing{r})
			}
		}
	}
}

// ownReason says why a function's own text reaches outside; "" when it does not.
func ownReason(f *catalog.Function) string {
	switch {
	case f.System:
		return outwardText(f.QName().String(), f.Name)
	case body.OutwardExtension(f.Extension):
		return f.Signature() + " is one of the extension " + f.Extension + ", which no rollback takes back"
	case f.Extension != "":
		return ""
	case f.Language != "sql" && f.Language != "plpgsql":
		return f.Signature() + " is written in " + f.Language + ", so moat cannot tell what it does outside the transaction"
	}
	return outwardText(f.Signature(), f.Body)
}

func outwardText(name, sql string) string {
	if word := body.Outward(sql); word != "" {
		return name + " uses " + word + ", which no rollback takes back"
	}
	return ""
}

// tables lists the relations that a name in a body may stand for.
func (o *outside) tables(t body.Table) []*catalog.Relation {
	return list.Filter(slices.Collect(catalog.Each(o.view.Snapshot.Relations)), func(r *catalog.Relation) bool {
		return r.Name == t.Name && (t.Schema == "" || t.Schema == r.Schema)
	})
}

// code notes what an expression, a view's query or a body calls. A function is known by
// its bare name alone, whatever schema is meant.
func (o *outside) code(sql string, s *step) {
	if sql == "" {
		return
	}
	words := body.Words(sql)
	for i := range o.view.Snapshot.Functions {
		if f := &o.view.Snapshot.Functions[i]; !f.System && words[f.Name] {
			s.next = append(s.next, f)
		}
	}
}

func (o *outside) named(name catalog.QName) []any {
	return list.Map(o.view.Functions(name), func(f *catalog.Function) any { return f })
}

// reads notes what a SELECT from a relation runs: policies and, for a view, its query.
func (o *outside) reads(r *catalog.Relation, s *step) {
	s.why = outwardText(r.QName().String(), r.Definition)
	if r.Kind == catalog.ForeignTable && !o.rollsBack(r.Server) {
		s.why = "the rows of " + r.QName().String() + " come from a wrapper whose reads no rollback takes back for sure"
	}
	o.code(r.Definition, s)
	for _, f := range o.asked(r) {
		s.next = append(s.next, f)
	}
	s.next = append(s.next, list.Map(o.beneath(r), func(to *catalog.Relation) any { return reading{to} })...)
}

// rollsBack says whether a foreign server's wrapper runs all in a transaction of its own,
// which goes with this one.
func (o *outside) rollsBack(server string) bool {
	return slices.ContainsFunc(o.view.Snapshot.Servers, func(s catalog.ForeignServer) bool {
		return s.Name == server && s.Wrapper == "postgres_fdw"
	})
}

// writes notes what a write to a relation runs: triggers, rules, defaults, checks and
// indexes, and those of the relations that it is carried to.
func (o *outside) writes(r *catalog.Relation, s *step) {
	if r.Kind == catalog.ForeignTable {
		s.why = "the rows of " + r.QName().String() + " are on another server"
	}
	s.next = append(s.next, reading{r})
	for _, sql := range o.running(r) {
		if s.why == "" {
			s.why = outwardText(r.QName().String(), sql)
		}
	}
	for _, f := range o.runs(r) {
		s.next = append(s.next, f)
	}
	s.next = append(s.next, list.Map(o.carried(r), func(to *catalog.Relation) any { return writing{to} })...)
}

// runs are the functions that a write to a relation runs, but for those of its policies: triggers,
// and what defaults, checks and indexes call.
func (o *outside) runs(r *catalog.Relation) []*catalog.Function {
	own := &step{}
	for _, sql := range o.running(r) {
		o.code(sql, own)
	}
	for i := range r.Triggers {
		if t := &r.Triggers[i]; t.Enabled != "disabled" && !o.held[t] {
			own.next = append(own.next, o.named(t.Function)...)
		}
	}
	return functionsOf(own)
}

// asked are the functions that the policies of a relation call.
func (o *outside) asked(r *catalog.Relation) []*catalog.Function {
	own := &step{}
	for i := range r.Policies {
		for _, e := range r.Policies[i].Exprs() {
			o.code(e.Text, own)
		}
	}
	return functionsOf(own)
}

func functionsOf(s *step) []*catalog.Function {
	var all []*catalog.Function
	for _, k := range s.next {
		if f, is := k.(*catalog.Function); is {
			all = append(all, f)
		}
	}
	return all
}

// beneath are the relations that a view or a rule's table reads.
func (o *outside) beneath(r *catalog.Relation) []*catalog.Relation {
	var out []*catalog.Relation
	for _, d := range o.view.Reads(r.QName()) {
		if on := o.view.Relation(d.On); on != nil && !d.Function {
			out = append(out, on)
		}
	}
	return out
}

// carried are the relations that a write may change too: partitions and children, what
// foreign keys cascade to (TRUNCATE … CASCADE goes along all of them), and what a view
// or a rule leads to.
func (o *outside) carried(r *catalog.Relation) []*catalog.Relation {
	out := slices.Concat(o.view.Descendants(r), o.beneath(r))
	for _, ref := range o.view.References(r.QName()) {
		out = append(out, ref.From)
	}
	return out
}

// running is the code of a relation's own that a write runs.
func (o *outside) running(r *catalog.Relation) []string {
	var out []string
	for _, c := range r.Columns {
		out = append(out, c.Default)
		out = append(out, o.domainChecks(c.TypeName)...)
	}
	for _, c := range r.Constraints {
		if c.Type == catalog.Check {
			out = append(out, c.Definition)
		}
	}
	for _, x := range r.Indexes {
		out = append(out, x.Predicate)
		out = append(out, list.Map(x.Keys, func(k catalog.IndexKey) string { return k.Expression })...)
	}
	for _, rule := range r.Rules {
		if rule.Enabled != "disabled" {
			out = append(out, rule.Definition)
		}
	}
	return out
}

func (o *outside) domainChecks(name catalog.QName) []string {
	for _, t := range o.view.Snapshot.Types {
		if t.Kind == "domain" && t.Schema == name.Schema && t.Name == name.Name {
			return t.Checks
		}
	}
	return nil
}

// events says why a change of the schema reaches outside: by an event trigger.
func (o *outside) events() string {
	for i := range o.view.Snapshot.Events {
		if e := &o.view.Snapshot.Events[i]; e.Enabled != "disabled" {
			if why := o.event(e); why != "" {
				return "the event trigger " + e.Name + " would fire: " + why
			}
		}
	}
	return ""
}

// heldBack says why statements are not run; "" when nothing of what they run outlives the
// rollback, or the database may be thrown away.
func (p *prover) heldBack(st *site, steps []string) string {
	if p.Disposable {
		return ""
	}
	if why := p.outside.events(); why != "" && slices.ContainsFunc(steps, changesSchema) {
		return why
	}
	if st.target != nil && slices.ContainsFunc(steps, changesRows) {
		return p.outside.writing(st.rel)
	}
	return ""
}

// changesSchema recognizes a statement that event triggers run with, and changesRows one
// that triggers and rules run with.
func changesSchema(sql string) bool {
	return begins(sql, "create", "alter", "drop", "grant", "revoke", "reindex", "refresh", "comment")
}

func changesRows(sql string) bool {
	return begins(sql, "insert", "update", "delete", "merge", "truncate", "reindex")
}

func begins(sql string, words ...string) bool {
	first, _, _ := strings.Cut(strings.TrimSpace(sql), " ")
	return slices.Contains(words, strings.ToLower(first))
}

// notRun is the finding about what was held back.
func notRun(why string) finding {
	return undecided("not run: %s (--disposable runs it, in a database that may be thrown away)", why)
}
