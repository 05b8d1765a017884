package protect

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/policy"
)

// search is a way of searching that an index loses under row-level security,
// because its operator is not leakproof and so may not run ahead of the policy.
type search struct{ kind, argument, operator string }

func searchOf(opclass string) (search, bool) {
	bare := opclass[strings.LastIndex(opclass, ".")+1:]
	switch bare {
	case "tsvector_ops":
		return search{"text", "tsquery", "@@"}, true
	case "gin_trgm_ops", "gist_trgm_ops":
		return search{"pattern", "text", "ILIKE"}, true
	case "jsonb_ops", "jsonb_path_ops":
		return search{"document", "jsonb", "@>"}, true
	}
	return search{}, false
}

// searches plans a function for each index that row-level security makes useless:
// it carries the tenant itself, so that it may search with the index.
func (p *planner) searches() {
	for _, t := range p.tables {
		for _, x := range t.rel.Indexes {
			if x.NearestKey() != nil || x.Inherited || !x.Valid ||
				(x.Method != "gin" && x.Method != "gist") || x.Constraint || len(x.Keys) == 0 {
				continue
			}
			at, s := searchKey(x)
			if at < 0 {
				p.note(t.rel.Schema+"."+x.Name, "the application cannot use it under row-level security: its operators are not "+
					"leakproof")
				continue
			}
			p.searchFunction(t, x, x.Keys[at], s)
		}
	}
}

// sealedBody is a function's body in sealed mode: "moat seal on" puts the sealed tenant
// in the place of the setting.
func (p *planner) sealedBody(body string) string {
	return strings.ReplaceAll(body, policy.Tenant(p.m.Setting, "text"), policy.SealedTenantCall())
}

func searchKey(x catalog.Index) (int, search) {
	for i, k := range x.Keys {
		if s, ok := searchOf(k.OpClass); ok {
			return i, s
		}
	}
	return -1, search{}
}

func (p *planner) searchFunction(t *table, x catalog.Index, k catalog.IndexKey, s search) {
	q := t.rel.QName()
	f := own(sqltext.Name("search", q.Schema, q.Name, x.Name))
	body := p.searchBody(t, x, k, s)
	for _, found := range p.Functions(f) {
		if (found.Body == body || found.Body == p.sealedBody(body)) && found.Owner == p.c.Roles.Definer {
			return
		}
	}
	step := Step{ID: stepID(GroupGuards, q, "search/"+x.Name), Group: GroupGuards, Table: q, Superuser: true,
		Title: "create search function " + f.String(),
		SQL:   p.searchSQL(t, f, s, body), Undo: p.undoSearch(t, f, s),
		Hazards: []string{"the function bypasses the policies and checks the tenant itself: read it before you apply"},
		Reason: fmt.Sprintf("%s (%s) is not leakproof, so with a policy PostgreSQL hardly ever uses index %s", s.operator,
			s.argument, x.Name)}
	if why := p.cannotSearch(t); why != "" {
		p.decide(Decision{ID: "search/" + key(q) + "/" + x.Name, Table: q, Object: x.Name,
			Question: "Do you want a search function for index " + x.Name + "?", Why: why, SQL: step.SQL})
		return
	}
	if !p.user.Super {
		p.leave(Left{Title: step.Title, Reason: "it must belong to a role with BYPASSRLS, which only a superuser can set " +
			"up here", SQL: step.SQL})
		return
	}
	if !p.planned("roles/role/" + p.c.Roles.Definer) {
		p.role(p.c.Roles.Definer, "NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION BYPASSRLS",
			"owns the search functions, which check the tenant themselves")
	}
	p.add(step)
}

// cannotSearch keeps a team's own rules: the function would bypass them.
func (p *planner) cannotSearch(t *table) string {
	if !p.app {
		return "There is no application role yet."
	}
	if p.Current(t.typ) == "" {
		return "The policies ask for the caller's memberships, which the function would bypass. Add that condition to the " +
			"function."
	}
	for _, pol := range t.rel.Policies {
		everything := pol.Permissive && pol.Using != nil && p.Judge(pol.Using, t.rel).AlwaysTrue
		if !everything && !p.Judge(pol.Using, t.rel).Isolates {
			return "The table has a policy of its own, " + pol.Name +
				", which the function would bypass. Add its condition to the function."
		}
	}
	return ""
}

func (p *planner) searchBody(t *table, x catalog.Index, k catalog.IndexKey, s search) string {
	target := k.Expression
	if k.Column != "" {
		target = sqltext.Ident(k.Column)
	}
	where := fmt.Sprintf("t.%s = %s AND %s %s $1", sqltext.Ident(t.column), p.Current(t.typ), target, s.operator)
	if x.Predicate != "" {
		where += " AND (" + x.Predicate + ")"
	}
	return fmt.Sprintf("\n#variable_conflict use_column\nBEGIN\n  RETURN QUERY SELECT t.* FROM %s t\n    WHERE %s\n   "+
		" LIMIT $2;\nEND\n", t.rel.QName().SQL(), where)
}

func (p *planner) searchSQL(t *table, f catalog.QName, s search, body string) []string {
	q, definer, app := t.rel.QName(), sqltext.Ident(p.c.Roles.Definer), sqltext.Ident(p.c.Roles.Application)
	signature := fmt.Sprintf("%s(%s, integer)", f.SQL(), s.argument)
	return []string{
		fmt.Sprintf("GRANT USAGE ON SCHEMA %s TO %s", sqltext.Ident(q.Schema), definer),
		fmt.Sprintf("GRANT SELECT ON TABLE %s TO %s", q.SQL(), definer),
		fmt.Sprintf("GRANT USAGE ON SCHEMA %s TO %s", Schema, app),
		fmt.Sprintf("CREATE OR REPLACE FUNCTION %s(query %s, max_rows integer DEFAULT 100) RETURNS SETOF %s\n  LANGUAGE "+
			"plpgsql STABLE PARALLEL SAFE SECURITY DEFINER\n  SET search_path = pg_catalog, pg_temp AS %s",
			f.SQL(), s.argument, q.SQL(), sqltext.Dollar(body)),
		fmt.Sprintf("ALTER FUNCTION %s OWNER TO %s", signature, definer),
		fmt.Sprintf("REVOKE ALL ON FUNCTION %s FROM PUBLIC", signature),
		fmt.Sprintf("GRANT EXECUTE ON FUNCTION %s TO %s", signature, app),
	}
}

func (p *planner) undoSearch(t *table, f catalog.QName, s search) []string {
	definer := p.c.Roles.Definer
	undo := []string{fmt.Sprintf("DROP FUNCTION IF EXISTS %s(%s, integer)", f.SQL(), s.argument)}
	held := func(privileges []catalog.Privilege, name string) bool {
		return slices.ContainsFunc(privileges, func(h catalog.Privilege) bool {
			return h.Grantee == definer &&
				h.Name == name
		})
	}
	if !held(t.rel.Privileges, "SELECT") {
		undo = append(undo, fmt.Sprintf("REVOKE SELECT ON TABLE %s FROM %s", t.rel.QName().SQL(), sqltext.Ident(definer)))
	}
	if schema := p.Schema(t.rel.Schema); schema != nil && !held(schema.Privileges, "USAGE") {
		undo = append(undo, fmt.Sprintf("REVOKE USAGE ON SCHEMA %s FROM %s", sqltext.Ident(t.rel.Schema),
			sqltext.Ident(definer)))
	}
	undo = append(undo, p.usageOf(Schema)...) // sealed mode gave it
	return append(undo, fmt.Sprintf("REVOKE USAGE ON SCHEMA %s FROM %s", Schema, sqltext.Ident(p.c.Roles.Application)))
}
