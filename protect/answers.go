package protect

import (
	"fmt"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/policy"
	"github.com/moat-db/moat/tenancy"
)

// answers are entries of moat.yaml that a question is answered by, each on a line.
type answers []string

// add appends an entry; the first needs no "or".
func (a *answers) add(says, format string, args ...any) {
	entry := fmt.Sprintf(format, args...)
	switch {
	case len(*a) > 0:
		entry += strings.TrimSuffix("   # or: "+says, ": ")
	case says != "":
		entry += "   # " + says
	}
	*a = append(*a, entry)
}

// pathAnswers say whose the rows of a table are. Where a key leads to the tenants table
// itself, its column may name who receives a share, or one party of several.
func (p *planner) pathAnswers(q string, firsts []catalog.Step) answers {
	var names, tenants, rows []string
	for _, step := range firsts {
		names = append(names, step.Constraint)
		switch {
		case len(step.Columns) > 1:
		case p.namesTenant(step):
			tenants = append(tenants, step.Columns[0])
		default:
			rows = append(rows, key(step.To))
		}
	}
	var a answers
	a.add("", "protect: {paths: {%s: %s}}", q, strings.Join(append(names, "CONSTRAINT")[:max(len(names), 1)], " | "))
	for _, column := range tenants {
		for _, row := range rows {
			a.add("a row's owner shares it with the tenant in "+column, "tables: {shares: {%s: {through: %s, with: %s}}}",
				row, q, column)
		}
		a.add("this column is the tenant", "tables: {columns: {%s: %s}}", q, column)
	}
	if len(tenants) > 1 {
		a.add("all of them read it", "tables: {parties: {%s: {owner: %s, reads: [%s]}}}", q, tenants[0],
			strings.Join(tenants[1:], ", "))
	}
	a.add("every tenant reads it", "tables: {shared: [%s]}", q)
	return a
}

// unknownAnswers say whose the rows of a table are that no key leads from: everybody's,
// nobody's, or the tenant's in a column that looks like it, as org does beside
// organization_id. What holds secrets is offered to everybody last.
func (p *planner) unknownAnswers(rel *catalog.Relation) answers {
	var a answers
	var columns []string
	q, secrets := key(rel.QName()), policy.NamesPrivate(rel.Name)
	for _, c := range rel.Columns {
		secrets = secrets || policy.NamesPrivate(c.Name)
		if p.BaseType(c.Type) == p.BaseType(p.m.Type) && tenancy.Resembles(c.Name, p.m.Column, p.m.Tenants.Name) {
			columns = append(columns, c.Name)
		}
	}
	if secrets {
		a.add("no tenant reads it", "tables: {ignore: [%s]}", q)
		a.add("every tenant does, its secrets too", "tables: {shared: [%s]}", q)
	} else {
		a.add("every tenant reads it", "tables: {shared: [%s]}", q)
		a.add("no tenant does", "tables: {ignore: [%s]}", q)
	}
	if len(columns) > 0 {
		a.add("this column is the tenant", "tables: {columns: {%s: %s}}", q, strings.Join(columns, " | "))
	}
	return a
}
