package protect

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/policy"
)

// Sight is a table whose own policies show rows that the planned wall may hide: what to
// count, for a tenant, before and after.
type Sight struct {
	Table  catalog.QName
	Column string
	// Today and Wall are conditions: of the team's policies, and of the wall.
	Today, Wall string
}

// Seen is what one tenant sees of a [Sight]: today, and behind the wall.
type Seen struct {
	Tenant        string `json:"tenant"`
	Today, Behind int64
}

// wall asks before policies of the team's own are narrowed: a tree, rows for everybody or a
// catalogue open to all look like holes, and are what the application shows.
func (p *planner) wall(t *table, expr string) {
	names := p.narrowed(t)
	if len(names) == 0 {
		return
	}
	q := t.rel.QName()
	if slices.Contains(p.c.Narrowed, key(q)) {
		p.note(key(q), "the wall may hide rows that its policies show (protect.narrowed): "+strings.Join(names, ", "))
		return
	}
	p.plan.Sights = append(p.plan.Sights, Sight{Table: q, Column: t.column, Today: p.today(t), Wall: expr})
	seen := p.c.Seen[q]
	if unchanged(seen) {
		p.note(key(q), "the wall hides no row that its policies show to "+tenantNames(seen))
		return
	}
	p.decide(Decision{ID: "wall/" + key(q), Table: q,
		Question: fmt.Sprintf("%s of %s may show a tenant more than its own rows. May a wall hide them?",
			strings.Join(names, ", "), key(q)),
		Why:    "The planned policy shows the rows of one tenant only. " + sightings(seen),
		Config: p.widerAnswers(t) + fmt.Sprintf("protect: {narrowed: [%s]}   # yes, hide them", key(q))})
}

// narrowed names the policies by which some role of today reads rows that are not bound to
// the current tenant, and those that bind them to something else; none where a restrictive
// policy binds them to the tenant all the same.
func (p *planner) narrowed(t *table) []string {
	var names []string
	shows := false
	for pol := range catalog.Each(t.rel.Policies) {
		if !p.reads(pol) || pol.Name == policy.Access {
			continue
		}
		j := p.Judge(pol.Using, t.rel)
		isolates := j.Isolates && len(j.Memberships) == 0 // those are several tenants'
		if !pol.Permissive && isolates && slices.Contains(pol.Roles, "") {
			return nil
		}
		if !isolates {
			names, shows = append(names, pol.Name), shows || pol.Permissive
		}
	}
	if !shows {
		return nil
	}
	return names
}

// reads reports whether a policy decides what a role of today, or the application role,
// reads.
func (p *planner) reads(pol *catalog.Policy) bool {
	if pol.Using == nil || pol.Command != "ALL" && pol.Command != "SELECT" {
		return false
	}
	roles := append([]string{p.c.Roles.Application}, p.m.Roles...)
	return slices.Contains(pol.Roles, "") ||
		slices.ContainsFunc(roles, func(role string) bool { return p.Applies(pol, role, "SELECT") })
}

// today is the condition of the team's policies, all roles' together.
func (p *planner) today(t *table) string {
	var any, all []string
	for i := range t.rel.Policies {
		if pol := &t.rel.Policies[i]; p.reads(pol) && pol.Permissive {
			any = append(any, "("+pol.Using.Text+")")
		} else if p.reads(pol) {
			all = append(all, "("+pol.Using.Text+")")
		}
	}
	return strings.Join(append(all, "("+strings.Join(any, " OR ")+")"), " AND ")
}

// unchanged reports whether everybody who was looked at sees as many rows behind the wall.
func unchanged(seen []Seen) bool {
	some := slices.ContainsFunc(seen, func(s Seen) bool { return s.Today > 0 })
	return some && !slices.ContainsFunc(seen, func(s Seen) bool { return s.Today != s.Behind })
}

func sightings(seen []Seen) string {
	var texts []string
	for _, s := range seen {
		if s.Today != s.Behind && len(texts) < 3 {
			texts = append(texts, fmt.Sprintf("tenant %s sees %d rows today and %d behind it", s.Tenant, s.Today, s.Behind))
		}
	}
	if len(texts) == 0 {
		return "Nothing could be counted: no tenant that was looked at sees a row by these policies."
	}
	return strings.Join(texts, "; ") + "."
}

func tenantNames(seen []Seen) string {
	return "tenants " + list.Join(seen, ", ", func(s Seen) string { return s.Tenant })
}

// widerAnswers are the shapes of tenancy under which such rows stay visible.
func (p *planner) widerAnswers(t *table) string {
	text := ""
	if tenants := p.Relation(p.m.Tenants); tenants != nil {
		for _, k := range tenants.Constraints {
			if k.Type == catalog.ForeignKey && k.References == p.m.Tenants && len(k.Columns) == 1 {
				text += fmt.Sprintf("tenant: {parent: %s}   # a tenant sees the tenants below it\n", k.Columns[0])
			}
		}
	}
	if c := t.rel.Column(t.column); c != nil && !c.NotNull {
		text += fmt.Sprintf("tables: {shared_rows: {%s: null}}   # every tenant reads rows without a tenant\n",
			key(t.rel.QName()))
	}
	return text
}
