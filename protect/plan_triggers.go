package protect

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/body"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/internal/sqltext"
)

// written is what a trigger does to one table with the rights of whoever runs the
// statement.
type written struct {
	table *catalog.Relation
	verbs []string
}

// triggers looks at what the triggers of tenant tables write elsewhere: from group enforce
// on the application role writes, and a table that it has no rights on makes every INSERT
// fail.
func (p *planner) triggers() {
	for _, t := range p.tables {
		for _, tr := range t.rel.Triggers {
			if tr.Enabled == "disabled" || tr.Inherited || tr.Function.Schema == Schema || tr.Name == fillTriggerName {
				continue
			}
			for _, f := range p.Functions(tr.Function) {
				p.trigger(t, tr, f)
			}
		}
	}
}

func (p *planner) trigger(t *table, tr catalog.Trigger, f *catalog.Function) {
	if f.System || f.Extension != "" || slices.Contains(p.c.Triggers, f.QName().String()) {
		return
	}
	all, unread := p.writes(f, nil)
	for _, w := range all {
		p.askCopy(t, tr, w.table)
	}
	if f.Definer {
		p.definerTrigger(t, tr, f, all)
		return
	}
	if unread != "" {
		p.askTrigger(t, tr, f, "Nobody can tell what it writes: "+unread+".", nil)
		return
	}
	for _, w := range all {
		p.reach(t, tr, f, w)
	}
}

// askCopy asks about a table that counts as shared and gets rows from a trigger of a tenant
// table: whoever reads it reads what every tenant writes.
func (p *planner) askCopy(t *table, tr catalog.Trigger, to *catalog.Relation) {
	q := key(to.QName())
	asked := slices.ContainsFunc(p.plan.Decisions, func(d Decision) bool { return d.ID == "class/"+q })
	if asked || to.RLS || !slices.Contains(p.shared, to) || slices.Contains(p.c.Shared, q) {
		return
	}
	p.decide(Decision{ID: "class/" + q, Table: to.QName(),
		Question: fmt.Sprintf("Do all tenants share %s, or does it hold copies of their rows?", q),
		Why: fmt.Sprintf("The application may read it, and trigger %s of %s writes to it. %s", tr.Name,
			key(t.rel.QName()), p.untilDecided(to)),
		Config: strings.Join(p.unknownAnswers(to), "\n")})
}

// writes lists what a function writes, and what the functions write that it calls. unread
// says why that is not all.
func (p *planner) writes(f *catalog.Function, above []*catalog.Function) (all []written, unread string) {
	u := body.Scan(f)
	switch {
	case u.Foreign && f.Language != "internal" && f.Language != "c":
		return nil, fmt.Sprintf("%s is written in %s", f.Signature(), f.Language)
	case u.Dynamic:
		return nil, f.Signature() + " puts SQL together while it runs"
	}
	for _, use := range u.Tables {
		if use.Writes() {
			all = append(all, p.writtenBy(use, &u)...)
		}
	}
	for _, called := range p.called(&u) {
		if called.Definer || slices.Contains(above, called) || called == f {
			continue
		}
		more, why := p.writes(called, append(above, f))
		all, unread = append(all, more...), unread+why
	}
	return all, unread
}

// writtenBy finds the relations that a use may mean: one that is named without a schema
// may be any of that name.
func (p *planner) writtenBy(use body.Table, u *body.Uses) []written {
	verbs := []string{use.Verb}
	switch {
	case use.Verb == "MERGE":
		verbs = dml()
	case use.Verb == "INSERT" && u.Mentions("conflict"):
		verbs = []string{"SELECT", "INSERT", "UPDATE"}
	case use.Verb == "UPDATE" || use.Verb == "DELETE":
		verbs = []string{"SELECT", use.Verb}
	}
	return list.Map(p.meant(use), func(r *catalog.Relation) written { return written{r, verbs} })
}

// meant are the tables that a use may mean.
func (p *planner) meant(use body.Table) []*catalog.Relation {
	return list.Filter(slices.Collect(catalog.Each(p.s.Relations)), func(r *catalog.Relation) bool {
		return r.Name == use.Name && (r.Schema == use.Schema || use.Schema == "" && p.hasSchema(r.Schema)) && isTable(r)
	})
}

// ofTenants is a table of tenants that a function uses, or one that it calls; nil if there is
// none.
func (p *planner) ofTenants(f *catalog.Function, above []*catalog.Function) *catalog.Relation {
	u := body.Scan(f)
	for _, use := range u.Tables {
		for _, r := range p.meant(use) {
			if p.byName[r.QName()] != nil {
				return r
			}
		}
	}
	for _, called := range p.called(&u) {
		if called == f || slices.Contains(above, called) {
			continue
		}
		if r := p.ofTenants(called, append(above, f)); r != nil {
			return r
		}
	}
	return nil
}

func isTable(r *catalog.Relation) bool {
	return r.Kind == catalog.Table || r.Kind == catalog.PartitionedTable
}

// called are the functions of the team that a body calls.
func (p *planner) called(u *body.Uses) []*catalog.Function {
	var all []*catalog.Function
	for i, t := range u.Tokens {
		if !t.IsName() || !u.At(i+1).Is("(") {
			continue
		}
		for _, schema := range p.m.Schemas {
			if u.At(i-1).Is(".") && u.At(i-2).Name() != schema {
				continue
			}
			all = append(all, p.Functions(catalog.QName{Schema: schema, Name: t.Name()})...)
		}
	}
	return all
}

// reach makes sure that the application role may write what a trigger writes: on a table
// that was said to be shared or nobody's concern it gets that right, else it is a question.
func (p *planner) reach(t *table, tr catalog.Trigger, f *catalog.Function, w written) {
	missing := slices.DeleteFunc(slices.Clone(w.verbs), func(verb string) bool { return p.appMay(w.table, verb) })
	if len(missing) == 0 {
		return
	}
	class := p.Class(w.table.QName())
	settled := slices.Contains(p.c.Shared, key(w.table.QName())) || class == catalog.IgnoredTable
	bare := !slices.ContainsFunc(missing, func(verb string) bool { return verb != "INSERT" })
	if settled && (bare || class != catalog.IgnoredTable) && p.app {
		p.grantTrigger(t, tr, w.table, missing)
		return
	}
	what := fmt.Sprintf("It needs %s on %s, which the application role does not get.", strings.Join(missing, ", "),
		key(w.table.QName()))
	p.askTrigger(t, tr, f, what, w.table)
}

// appMay reports whether the application role has a privilege on a table, or gets it.
func (p *planner) appMay(r *catalog.Relation, verb string) bool {
	app := p.c.Roles.Application
	return slices.Contains(p.applicationMay(r), verb) || p.Role(app) != nil && p.HasTablePrivilege(app, r, verb)
}

func (p *planner) grantTrigger(t *table, tr catalog.Trigger, r *catalog.Relation, verbs []string) {
	app, list := sqltext.Ident(p.c.Roles.Application), strings.Join(verbs, ", ")
	id := "roles/trigger/" + key(r.QName())
	if p.planned(id) {
		return
	}
	step := Step{ID: id, Group: GroupRoles, Title: "grant what triggers write to " + key(r.QName()),
		SQL:  []string{fmt.Sprintf("GRANT %s ON %s TO %s", list, onRelation(r), app)},
		Undo: []string{fmt.Sprintf("REVOKE %s ON %s FROM %s", list, onRelation(r), app)},
		Reason: fmt.Sprintf("trigger %s of %s writes to it with the rights of the application role, which could therefore "+
			"write there by itself", tr.Name, key(t.rel.QName()))}
	if slices.Contains(verbs, "INSERT") {
		for _, seq := range p.sequencesOf(r) {
			if !p.HasTablePrivilege(p.c.Roles.Application, seq, "USAGE") {
				step.SQL = append(step.SQL, fmt.Sprintf("GRANT USAGE ON %s TO %s", onRelation(seq), app))
				step.Undo = append(step.Undo, fmt.Sprintf("REVOKE USAGE ON %s FROM %s", onRelation(seq), app))
			}
		}
	}
	p.add(step)
}

// sequencesOf are the sequences that an insert into r draws from.
func (p *planner) sequencesOf(r *catalog.Relation) []*catalog.Relation {
	var all []*catalog.Relation
	for seq := range catalog.Each(p.s.Relations) {
		if seq.Kind == catalog.Sequence && seq.OwnedBy != nil && seq.OwnedBy.Relation == r.QName() {
			if c := r.Column(seq.OwnedBy.Column); c != nil && c.Identity == "" {
				all = append(all, seq)
			}
		}
	}
	return all
}

// definerTrigger asks about a trigger that writes to tenants' tables as a role that
// policies will hold, and that none lets through.
func (p *planner) definerTrigger(t *table, tr catalog.Trigger, f *catalog.Function, all []written) {
	owner := p.Role(f.Owner)
	if owner != nil && (owner.Super || owner.BypassRLS) {
		return
	}
	for _, w := range all {
		if p.byName[w.table.QName()] != nil && len(p.permissiveFor(w.table, f.Owner)) == 0 {
			p.askTrigger(t, tr, f, fmt.Sprintf("It writes to %s as %s, whom the policies will hold and none lets through.",
				key(w.table.QName()), f.Owner), nil)
			return
		}
	}
}

func (p *planner) askTrigger(t *table, tr catalog.Trigger, f *catalog.Function, what string, to *catalog.Relation) {
	q := t.rel.QName()
	d := Decision{ID: "trigger/" + key(q) + "/" + tr.Name, Table: q, Object: tr.Name,
		Question: fmt.Sprintf("Trigger %s of %s runs %s, which may fail for the application role. What may it write?",
			tr.Name, key(q), f.Signature()),
		Why:    what + " Then every statement that fires the trigger would fail.",
		Config: fmt.Sprintf("protect: {triggers: [%s]}   # read it first, and grant what it needs", f.QName())}
	if to != nil && p.byName[to.QName()] == nil && p.Class(to.QName()) != catalog.IgnoredTable {
		d.Config = fmt.Sprintf("tables: {ignore: [%s]}   # no tenant reads it; the trigger may write\n"+
			"tables: {shared: [%s]}   # or: every tenant reads it", key(to.QName()), key(to.QName()))
	}
	if to != nil && p.byName[to.QName()] == nil {
		p.adviseDefiner(&d, f, to)
	}
	p.decide(d)
}

// adviseDefiner says how a trigger may write to a table of nobody's: as the definer, which no
// policy binds, and therefore not if it uses tenants' tables as well.
func (p *planner) adviseDefiner(d *Decision, f *catalog.Function, to *catalog.Relation) {
	definer := sqltext.Ident(p.c.Roles.Definer)
	if r := p.ofTenants(f, nil); r != nil {
		d.Why += fmt.Sprintf(" It uses %s as well, and as %s it would bypass the policies there: move what writes to %s "+
			"into a function of its own.", key(r.QName()), definer, key(to.QName()))
		return
	}
	name := fmt.Sprintf("%s(%s)", f.QName().SQL(), f.Arguments)
	d.SQL = []string{fmt.Sprintf("ALTER FUNCTION %s OWNER TO %s", name, definer),
		fmt.Sprintf("ALTER FUNCTION %s SECURITY DEFINER SET search_path = %s, pg_temp", name, sqltext.Ident(to.Schema)),
		fmt.Sprintf("GRANT INSERT, UPDATE ON %s TO %s", to.QName().SQL(), definer)}
}
