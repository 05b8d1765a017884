package audit

import (
	"regexp"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
)

var rulePolicyRecursion = Rule{
	ID: "policy-recursion", Severity: High, Kind: Outage, Holes: []string{"P30", "P43"},
	Title: "A policy reads its own table",
	check: each(relations, func(f *facts, r *catalog.Relation, report reporter) {
		for _, p := range f.policies[r.QName()] {
			if !r.RLS || !f.leadsBackTo(r.QName(), p.reads()) {
				continue
			}
			x := onPart(r, p.Name,
				"Every query of the table fails with the error \"infinite recursion detected in policy\".",
				"To decide about a row, the policy reads a table whose policy leads back to this one.")
			if own := f.ownCondition(r, p); own != "" {
				// For reading alone: as a check the condition would let a caller write rows of any tenant.
				report(x.with(recreateSQL(r, p.Policy, "SELECT", own)...))
				continue
			}
			report(x.decide("Compare a column of %s itself: the user's with the caller, or the tenant's "+
				"with the current tenant. Or read the table in a SECURITY DEFINER function whose owner its "+
				"policies do not bind.", r.QName()))
		}
	}),
}

// ownCondition turns "column IN (SELECT column FROM the same table WHERE condition)" into
// the condition: it shows the rows that were looked up, a caller's own memberships, and
// not what they lead to. It is "" for any other policy.
func (f *facts) ownCondition(r *catalog.Relation, p *judgedPolicy) string {
	if p.Using == nil || p.Using.Root == nil || !p.covers("SELECT") ||
		!slices.Equal(p.using.Subqueries, []catalog.QName{r.QName()}) {
		return ""
	}
	n := p.Using.Root
	if n.Kind != catalog.NodeAnyQuery || n.Name != "=" || len(n.Args) != 1 || len(n.Query.Select) != 1 ||
		n.Args[0].Kind != catalog.NodeColumn || n.Query.Select[0] == nil || n.Query.Select[0].Column != n.Args[0].Column {
		return ""
	}
	parts := regexp.MustCompile(`(?s)^\(\S+ IN \( SELECT \S+\s+FROM (\S+?)(?: (\S+))?\s+WHERE (.*)\)\)$`).
		FindStringSubmatch(p.Using.Text)
	if parts == nil || strings.Contains(parts[3], "SELECT") || strings.Contains(parts[3], "\n") {
		return ""
	}
	table := parts[1][strings.LastIndexByte(parts[1], '.')+1:]
	name := table
	if parts[2] != "" {
		name = parts[2]
	}
	own := strings.ReplaceAll(parts[3], name+".", "")
	if strings.Contains(own, table+".") {
		return "" // the row itself is compared, too
	}
	return own
}

// leadsBackTo reports whether the policies of these tables lead to start, and there to
// policies that have a query in them: PostgreSQL refuses to look into those of a table
// twice, and has no need to where there is none.
func (f *facts) leadsBackTo(start catalog.QName, tables []catalog.QName) bool {
	seen := map[catalog.QName]bool{}
	for len(tables) > 0 {
		name := tables[0]
		tables = tables[1:]
		r := f.look.Relation(name)
		if name == start && f.readsByQuery(name) {
			return true
		}
		if seen[name] || r == nil || !r.RLS {
			continue
		}
		seen[name] = true
		for _, p := range f.policies[name] {
			if p.covers("SELECT") {
				tables = append(tables, p.reads()...)
			}
		}
	}
	return false
}

// readsByQuery reports whether a policy that decides who reads a table has a query in it, be
// it one without a table.
func (f *facts) readsByQuery(name catalog.QName) bool {
	return slices.ContainsFunc(f.policies[name], func(p *judgedPolicy) bool {
		if !p.covers("SELECT") || p.Using == nil {
			return false
		}
		for n := range p.Using.Root.All() {
			if n.Query != nil {
				return true
			}
		}
		return false
	})
}
