package protect

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

// nearest plans for indexes that find the nearest rows of all tenants before the policy
// takes others' away: scans that go on until enough are left, and a function that the API
// can call. How the table is laid out is a person's to choose: see [LookPartition].
func (p *planner) nearest() {
	if !p.app {
		return
	}
	for _, t := range p.tables {
		for _, x := range t.rel.Indexes {
			if k := x.NearestKey(); k != nil && x.Valid && !x.Inherited {
				p.goOn(x)
				p.nearestFunction(t, x, *k)
			}
		}
	}
}

func (p *planner) goOn(x catalog.Index) {
	setting, app := x.GoesOnBy(), p.c.Roles.Application
	id := "indexes/" + setting
	stored := slices.IndexFunc(p.s.Stored, func(s catalog.StoredSetting) bool {
		return s.Role == app && s.Name == setting
	})
	if setting == "" || p.planned(id) || stored >= 0 && p.s.Stored[stored].Value != "off" {
		return
	}
	alter := "ALTER ROLE " + sqltext.Ident(app)
	step := Step{ID: id, Group: GroupIndexes, Title: "let scans by " + x.Method + " go on until enough rows are found",
		SQL:     []string{fmt.Sprintf("%s SET %s = 'relaxed_order'", alter, setting)},
		Undo:    []string{alter + " RESET " + setting},
		Hazards: []string{"connections that are open keep theirs"},
		Reason: "otherwise a tenant misses rows of its own, and how many it gets tells how many of others lie near its " +
			"question"}
	if stored >= 0 {
		step.Undo = []string{fmt.Sprintf("%s SET %s = %s", alter, setting, sqltext.Literal(p.s.Stored[stored].Value))}
	}
	if !p.user.Super && !p.user.CreateRole {
		p.leave(Left{Title: step.Title, Reason: p.user.Name + " may not alter role " + app, SQL: step.SQL})
		return
	}
	p.add(step)
}

// nearestFunction searches with the rights and under the policies of its caller. The rows
// come in relaxed order and are put in order again. Where the index finds fewer than asked for,
// all rows of the caller are compared: rows of others that lie close together can hide its own.
func (p *planner) nearestFunction(t *table, x catalog.Index, k catalog.IndexKey) {
	q, column := t.rel.QName(), t.rel.Column(k.Column)
	f := catalog.QName{Schema: q.Schema, Name: sqltext.Name(q.Name, "nearest", k.Column)}
	order := fmt.Sprintf("f.%s %s query", sqltext.Ident(k.Column), k.Nearest)
	names, columns := make([]string, len(t.rel.Columns)), make([]string, len(t.rel.Columns))
	for i, c := range t.rel.Columns {
		names[i] = sqltext.Ident(c.Name)
		columns[i] = names[i] + " " + c.Type
	}
	body := fmt.Sprintf("\n#variable_conflict use_column\nBEGIN\n  RETURN QUERY WITH found AS MATERIALIZED (SELECT f.%s "+
		"FROM %s f ORDER BY %s LIMIT max_rows),\n    enough AS MATERIALIZED "+
		"(SELECT count(*) >= max_rows AS is FROM found)\n"+
		"    SELECT f.%[1]s FROM (SELECT f.%[1]s FROM found f WHERE (SELECT e.is FROM enough e)\n      UNION ALL "+
		"(SELECT f.%[1]s FROM %[2]s f WHERE NOT (SELECT e.is FROM enough e)\n        ORDER BY (%[3]s) + 0 LIMIT max_rows)) "+
		"f ORDER BY %[3]s;\nEND\n",
		strings.Join(names, ", f."), q.SQL(), order)
	for _, found := range p.Functions(f) {
		if found.Body == body {
			return
		}
	}
	typ, app := column.TypeName.SQL(), sqltext.Ident(p.c.Roles.Application)
	signature := fmt.Sprintf("FUNCTION %s(%s, integer)", f.SQL(), typ)
	drop := "DROP " + strings.Replace(signature, "FUNCTION", "FUNCTION IF EXISTS", 1)
	settings := "SET search_path = pg_catalog, pg_temp"
	if s := x.GoesOnBy(); s != "" {
		settings += fmt.Sprintf(" SET %s = 'relaxed_order'", s)
	}
	p.add(Step{ID: stepID(GroupGuards, q, "nearest/"+x.Name), Group: GroupGuards, Table: q,
		Title: "create search function " + f.String(),
		// It returns columns, not the table's row type, so that the table can be swapped for another.
		SQL: []string{drop, fmt.Sprintf("CREATE FUNCTION %s(query %s, max_rows integer DEFAULT 10)\n  RETURNS TABLE (%s)\n"+
			"  LANGUAGE plpgsql STABLE SECURITY INVOKER %s AS %s", f.SQL(), typ, strings.Join(columns, ", "), settings,
			sqltext.Dollar(body)),
			fmt.Sprintf("ALTER %s OWNER TO %s", signature, sqltext.Ident(t.rel.Owner)),
			fmt.Sprintf("REVOKE ALL ON %s FROM PUBLIC", signature), fmt.Sprintf("GRANT EXECUTE ON %s TO %s", signature, app)},
		Undo: []string{drop},
		Reason: "the API calls it (POST /rest/v1/rpc/" + f.Name + "); it sees what its caller sees, in the order of " +
			"distance"})
}
