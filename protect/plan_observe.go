package protect

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/policy"
)

//go:embed sql/noted.sql
var notedBody string

//go:embed sql/note.sql
var noteBody string

//go:embed sql/without_literals.sql
var literalsBody string

// notedTypes is the function that policies note by, as DDL names it.
const notedTypes = "noted(regclass, regclass, text, boolean, bigint, bigint)"

// notesBytes is where notes end.
const notesBytes = 16 << 20

// observe plans what lets everything through and notes what policies would not have let
// through, where row-level security does not bind yet.
func (p *planner) observe() {
	switch {
	case !p.c.Observe:
		return
	case p.Citus():
		p.notObserved("the whole database", "on Citus a table has one policy, which cannot note and let through")
		return
	case p.guardExists():
		p.notObserved("the whole database", "the guards stand: they keep a table that is enforced as it is")
		return
	}
	for _, t := range p.tables {
		for _, part := range p.partitions(t.rel) {
			if part.Kind != catalog.ForeignTable {
				p.observeTable(part, nil)
			}
		}
		p.observeTable(t.rel, t)
	}
	if len(p.steps[GroupObserve]) > 0 && len(p.actual.Functions(own(policy.Noted))) == 0 {
		p.steps[GroupObserve] = slices.Insert(p.steps[GroupObserve], 0, p.observeStep())
	}
}

func (p *planner) notObserved(object, why string) { p.note(object, "not observed: "+why) }

func (p *planner) observeTable(r *catalog.Relation, t *table) {
	q := r.QName()
	if policy.Observed(p.actual.Relation(q)) || r.RLS && r.ForceRLS {
		return
	}
	if p.Shaped(r) {
		p.notObserved(key(q), "the walls of its shape depend on the role and the command")
		return
	}
	o := policy.Observer{Table: r, Counter: counterOf(q), Tenant: p.Current("text"), Partition: t == nil}
	for _, x := range r.Policies {
		if !x.Permissive && (!r.RLS || p.Applies(&x, r.Owner, x.Command)) {
			o.Restrictive = append(o.Restrictive, x)
		}
	}
	if r.RLS {
		o.Owner = r.Owner
		if why := p.ownerUnobserved(o); why != "" {
			p.notObserved(key(q), why)
			return
		}
	}
	needs := ""
	if wall, ok := p.walls[q]; ok {
		o.Restrictive = append(o.Restrictive, wall)
		if !r.RLS {
			needs = stepID(GroupPolicies, q, policy.Isolation)
		}
	}
	do, undo := o.Begin()
	p.add(Step{ID: stepID(GroupObserve, q, "observe"), Group: GroupObserve, Table: q, Title: "note what it would hide",
		SQL: do, Undo: undo, Lock: AccessExclusive, Needs: needed(needs),
		Hazards: []string{"COPY … FROM into it is refused, and so is what runs with row_security off, like pg_dump as " +
			"its owner: PostgreSQL cannot observe these",
			"a search by an operator that is not leakproof (LIKE, jsonb, full text, an enum) loses its index, as it will " +
				"from enforce on",
			"its queries run without parallel workers"},
		Reason: "every statement still succeeds; moat observe shows those that group enforce would break"})
}

// ownerUnobserved says why the owner of a table cannot be observed where row-level security
// binds everybody else already.
func (p *planner) ownerUnobserved(o policy.Observer) string {
	owner := p.Role(o.Owner)
	switch {
	case owner == nil || owner.Super || owner.BypassRLS:
		return "no policy binds its owner " + o.Owner + ", and everybody else is bound already"
	case len(o.Restrictive) > 0:
		return "policy " + o.Restrictive[0].Name + " would bind its owner " + o.Owner + " at once, and binds everybody " +
			"else already"
	}
	return ""
}

func counterOf(q catalog.QName) catalog.QName { return own(sqltext.Name("seen", q.Schema, q.Name)) }

// observeStep makes what all tables need.
func (p *planner) observeStep() Step {
	since := "BEGIN\n  EXECUTE format('COMMENT ON FUNCTION moat." + notedTypes + " IS %L',\n    '" +
		policy.ObservingSince + "' || to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'));\nEND"
	sql := []string{"CREATE TABLE moat.notes (\n  noted_at timestamptz NOT NULL DEFAULT clock_timestamp(),\n" +
		"  relation oid NOT NULL, reason text NOT NULL, tenant boolean NOT NULL,\n  role name NOT NULL, application " +
		"text NOT NULL, command text NOT NULL, statement text,\n  times bigint NOT NULL)",
		"REVOKE ALL ON moat.notes FROM PUBLIC"}
	for _, f := range p.notingFunctions() {
		sql = append(sql, fmt.Sprintf("CREATE FUNCTION moat.%s RETURNS %s LANGUAGE %s\n  SET search_path = pg_catalog, "+
			"pg_temp AS %s", f.signature, f.returns, f.language, sqltext.Dollar(f.body)),
			fmt.Sprintf("REVOKE ALL ON FUNCTION moat.%s FROM PUBLIC", f.signature))
	}
	// A policy's functions run with the rights of whoever reads the table.
	sql = append(sql, "GRANT EXECUTE ON FUNCTION moat."+notedTypes+" TO PUBLIC",
		"CREATE MATERIALIZED VIEW moat.observing AS VALUES (1)", "SELECT count(*) FROM moat.observing",
		"DO "+sqltext.Dollar(since))
	undo := dropObserve()
	if operator := p.c.Roles.Operator; p.Role(operator) != nil || p.planned("roles/role/"+operator) {
		to := sqltext.Ident(operator)
		sql = append(sql, "GRANT SELECT ON moat.notes TO "+to)
		if schema := p.Schema(Schema); schema == nil || len(lacking(want{privileges: []string{"USAGE"},
			held: schema.Privileges}, operator)) > 0 {
			sql = append(sql, "GRANT USAGE ON SCHEMA moat TO "+to)
			undo = append(undo, "REVOKE USAGE ON SCHEMA moat FROM "+to)
		}
	}
	return Step{ID: "observe/notes", Group: GroupObserve, Title: "create the table of notes and the function that " +
		"writes them", SQL: sql, Undo: undo, Reason: "only its owner and " + p.c.Roles.Operator + " may read it; it ends " +
		"at 16 MB"}
}

func (p *planner) notingFunctions() []guardFunction {
	// Before PostgreSQL 15 a session's counts come to the server's within half a second.
	flush := "PERFORM pg_stat_force_next_flush();"
	if p.major() < 15 {
		flush = "NULL;"
	}
	return []guardFunction{
		{"without_literals(statement text)", "text", "sql IMMUTABLE", literalsBody},
		{"note(relation regclass, reason text, tenant boolean, said text)", "void", "plpgsql",
			strings.ReplaceAll(noteBody, ":bytes", fmt.Sprint(notesBytes))},
		{"noted(relation regclass, counter regclass, reason text, tenant boolean, memory bigint, said bigint)", "bigint",
			"plpgsql SECURITY DEFINER", strings.ReplaceAll(notedBody, ":flush", flush)},
	}
}

func dropObserve() []string {
	return []string{"DROP TABLE IF EXISTS moat.notes", "DROP MATERIALIZED VIEW IF EXISTS moat.observing",
		"DROP FUNCTION IF EXISTS moat." + notedTypes + ", moat.note(regclass, text, boolean, text), " +
			"moat.without_literals(text)"}
}

// endObserved returns what ends the observation of a table, nil where it is not observed.
func (p *planner) endObserved(r *catalog.Relation) []string {
	actual := p.actual.Relation(r.QName())
	if !policy.Observed(actual) {
		return nil
	}
	return append(policy.EndObserved(actual), "DROP MATERIALIZED VIEW IF EXISTS "+counterOf(r.QName()).SQL())
}

// endObserve removes, last in group enforce, what is left of group observe.
func (p *planner) endObserve() {
	for r := range catalog.Each(p.actual.Snapshot.Relations) {
		id := stepID(GroupEnforce, r.QName(), "enable")
		if policy.Observed(r) && !slices.ContainsFunc(p.steps[GroupEnforce], func(s Step) bool { return s.ID == id }) {
			p.add(Step{ID: stepID(GroupEnforce, r.QName(), "unobserve"), Group: GroupEnforce, Table: r.QName(),
				Title: "stop noting: it is no table of tenants any more", Lock: AccessExclusive, SQL: append(policy.StopObserved(r),
					"DROP MATERIALIZED VIEW IF EXISTS "+counterOf(r.QName()).SQL()), Reason: "it is protected by nothing"})
		}
	}
	if len(p.actual.Functions(own(policy.Noted))) == 0 {
		return
	}
	drop := fmt.Sprintf("BEGIN\n  IF NOT EXISTS (SELECT FROM pg_catalog.pg_policy WHERE pg_catalog.starts_with("+
		"polname::text, %s)) THEN\n    %s;\n  END IF;\nEND", sqltext.Literal(moat.ObservePolicy),
		strings.Join(dropObserve(), ";\n    "))
	p.add(Step{ID: "enforce/notes", Group: GroupEnforce, Title: "drop the notes of group observe",
		SQL: []string{"DO " + sqltext.Dollar(drop)}, Hazards: []string{"what moat observe has shown is gone: save it first"},
		Reason: "what would be refused is refused now"})
}
