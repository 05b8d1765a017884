package protect

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/policy"
)

// shapeWalls plans the policies of a table of some shape, all in one step, so that at no moment
// one of them stands without the others. Policies of an earlier plan that no shape wants
// any more go in the same step; a team's own stay, and are asked about.
func (p *planner) shapeWalls(rel *catalog.Relation) {
	wanted := append(p.Walls(p.grown(rel), p.accessRoles()), p.doors(rel)...)
	var do, undo, titles []string
	kept := map[string]bool{}
	var missing []policy.Spec
	for _, w := range wanted {
		if found := p.Found(rel, w); found != nil {
			kept[found.Name] = true
		} else {
			missing = append(missing, w)
		}
	}
	q := rel.QName()
	gone := map[string]bool{}
	for old := range catalog.Each(rel.Policies) {
		if kept[old.Name] || !p.isOurs(old, wanted) {
			p.askNarrow(rel, old, kept)
			continue
		}
		gone[old.Name] = true
		titles = append(titles, "no "+old.Name)
		do, undo = append(do, policy.Drop(q, old.Name)), append(undo, policy.Again(q, old))
	}
	taken := func(name string) bool {
		return slices.ContainsFunc(rel.Policies, func(x catalog.Policy) bool { return x.Name == name && !gone[name] })
	}
	for _, w := range missing {
		w.Name = free(w.Name, taken)
		titles = append(titles, w.Name)
		do, undo = append(do, w.Create()), append([]string{policy.Drop(q, w.Name)}, undo...)
	}
	if len(do) == 0 {
		return
	}
	if slices.ContainsFunc(missing, func(w policy.Spec) bool { return !w.Permissive }) {
		p.askWider(rel)
	}
	do, undo = append(p.forget(q), do...), append(p.forget(q), undo...)
	p.add(p.guarded(Step{ID: wallsStep(q), Group: p.policyGroup(&table{rel: rel}), Table: q, Needs: p.helpers(do),
		Title: "policies: " + strings.Join(titles, ", "), SQL: do, Undo: undo, Lock: AccessExclusive,
		Reason: "restrictive walls by the shapes declared for this table, and what is allowed behind them"}))
}

func wallsStep(q catalog.QName) string { return stepID(GroupPolicies, q, "walls") }

// askWider asks before a wall takes from a caller what policies of the team's show, where these
// look up the caller.
func (p *planner) askWider(rel *catalog.Relation) {
	q := rel.QName()
	if !p.m.Person || slices.Contains(p.c.Narrowed, key(q)) {
		return
	}
	names := p.Wider(p.grown(rel))
	if len(names) == 0 {
		return
	}
	var sql []string
	for _, name := range names {
		sql = append(sql, policy.Drop(q, name))
	}
	p.decide(Decision{ID: "wall/" + key(q), Table: q,
		Question: fmt.Sprintf("%s of %s may show a caller other tenants' rows. May a wall hide them?",
			strings.Join(names, ", "), key(q)),
		Why: "It shows the rows of the caller's tenants, and of a table of members the caller's own alone. Without these " +
			"policies the table keeps the others, where those look up the caller, and needs no wall.",
		SQL: sql, Config: fmt.Sprintf("protect: {narrowed: [%s]}   # yes, hide them", key(q))})
}

// isOurs reports whether a policy is one that an earlier plan made.
func (p *planner) isOurs(old *catalog.Policy, wanted []policy.Spec) bool {
	name, _, _ := strings.Cut(old.Name, "_m_")
	if old.Permissive {
		return policy.OurDoor(old)
	}
	if name == policy.Isolation || name == policy.TreeIsolation || name == policy.Gate {
		return true
	}
	return slices.ContainsFunc(wanted, func(w policy.Spec) bool { return w.Name == old.Name && !w.Permissive })
}

// askNarrow asks about a restrictive policy of the team's that hides rows which the shapes
// show.
func (p *planner) askNarrow(rel *catalog.Relation, old *catalog.Policy, kept map[string]bool) {
	if old.Permissive || kept[old.Name] || policy.GateRoles(old.Using) != nil {
		return
	}
	q := rel.QName()
	p.decide(Decision{ID: "narrow/" + key(q) + "." + old.Name, Table: q, Object: old.Name,
		Question: fmt.Sprintf("Policy %s is restrictive. May it go, or does it hide what it should?", old.Name),
		Why:      "It stays: whatever it hides stays hidden, also from those to whom the shapes of moat.yaml show it.",
		SQL:      []string{policy.Drop(q, old.Name)}})
}

// doors are the permissive policies: the team's own where it has any, else ours. What
// limits the application behind the wall is repeated for the tree's role.
func (p *planner) doors(rel *catalog.Relation) []policy.Spec {
	if p.Citus() || !p.app {
		return nil
	}
	ours := p.Doors(rel, p.accessRoles())
	theirs := p.theirs(rel, ours)
	if p.shut(rel) {
		p.askShut(rel)
		return nil
	}
	if len(theirs) == 0 {
		return append(ours, p.TreeDoors(rel, ours)...)
	}
	q := rel.QName()
	if ours[0].Name != policy.Access || ours[0].Command != "ALL" {
		p.askDoors(rel, ours, theirs)
	}
	p.note(key(q), "keeps its own permissive policies: "+strings.Join(namesOf(theirs), ", "))
	forTree := list.Filter(theirs, func(d policy.Spec) bool { return !slices.Contains(d.Roles, "") })
	return p.TreeDoors(rel, forTree)
}

// shut reports whether a table that nobody reads today stays so.
func (p *planner) shut(rel *catalog.Relation) bool {
	return p.Shut(rel) && !slices.Contains(p.c.Opened, key(rel.QName()))
}

// askShut keeps such a table as it is, and asks.
func (p *planner) askShut(rel *catalog.Relation) {
	q := rel.QName()
	p.decide(Decision{ID: "shut/" + key(q), Table: q, Question: "Should members read and write " + key(q) + "?",
		Why: "Nobody does today, but roles that bypass row-level security: it is on, and no policy lets a row through. It " +
			"stays so.",
		Config: fmt.Sprintf("protect: {opened: [%s]}", key(q))})
}

// theirs are the team's own permissive policies that apply to the application role.
func (p *planner) theirs(rel *catalog.Relation, ours []policy.Spec) []policy.Spec {
	var all []policy.Spec
	for old := range catalog.Each(rel.Policies) {
		tree := p.m.Shapes.Tree
		switch {
		case !old.Permissive || old.Using == nil && old.Check == nil || p.isOurs(old, nil):
		case !p.Applies(old, p.c.Roles.Application, old.Command):
		case tree != nil && slices.Equal(old.Roles, []string{tree.Role}):
		case slices.ContainsFunc(ours, func(w policy.Spec) bool { return p.Found(rel, w) == old }):
		default:
			s := policy.Spec{Table: rel.QName(), Name: old.Name, Permissive: true, Command: old.Command, Roles: old.Roles}
			if old.Using != nil {
				s.Using = old.Using.Text
			}
			if old.Check != nil {
				s.Check = old.Check.Text
			}
			all = append(all, s)
		}
	}
	return all
}

func namesOf(specs []policy.Spec) []string {
	return list.Map(specs, func(s policy.Spec) string { return s.Name })
}

// askDoors asks which rules decide within a tenant: those that the team wrote, or those
// that moat.yaml declares.
func (p *planner) askDoors(rel *catalog.Relation, ours, theirs []policy.Spec) {
	q := rel.QName()
	sql := list.Map(theirs, func(d policy.Spec) string { return policy.Drop(q, d.Name) })
	sql = append(sql, list.Map(ours, policy.Spec.Create)...)
	p.decide(Decision{ID: "doors/" + key(q), Table: q,
		Question: fmt.Sprintf("Replace %s by the policies of the declared shape?", strings.Join(namesOf(theirs), ", ")),
		Why:      "Permissive policies add up: with both, the wider one decides.", SQL: sql})
}

// people plans what a table of people needs: it has no tenant column, so nothing else of a
// tenant table's.
func (p *planner) people() {
	for _, m := range p.m.Shapes.Members {
		rel := p.Relation(m.Table)
		p.shapeWalls(rel)
		p.indexFor(rel, m.Table, []string{m.Key})
		if link := p.Relation(m.Through); link != nil && p.byName[m.Through] != nil {
			p.indexFor(link, m.Through, []string{m.Person, p.byName[m.Through].column})
		}
	}
}

// parties plans the indexes by which the others of a row find it.
func (p *planner) parties() {
	for _, x := range p.m.Shapes.Parties {
		rel := p.Relation(x.Table)
		for _, column := range x.Reads {
			p.indexFor(rel, x.Table, append([]string{column}, ordered(rel)...))
		}
	}
}

// indexFor plans an index that a shape's conditions need, unless one begins with its
// columns.
func (p *planner) indexFor(rel *catalog.Relation, q catalog.QName, columns []string) {
	begins := func(x catalog.Index) bool {
		cols := x.Columns()
		return x.Valid && x.Predicate == "" && len(cols) >= len(columns) && slices.Equal(cols[:len(columns)], columns)
	}
	id := stepID(GroupIndexes, q, strings.Join(columns, ","))
	if slices.ContainsFunc(rel.Indexes, begins) || p.planned(id) {
		return
	}
	p.buildIndex(indexBuild{group: GroupIndexes, id: id, rel: rel,
		name: p.indexName(rel, append(slices.Clone(columns), "idx")),
		keys: "(" + sqltext.Idents(columns) + ")", title: strings.Join(columns, ", "),
		reason: "the policies of this table's shape read it by these columns"})
}

// beyond reports whether a privilege is more than a table's shape lets the application
// have. Tables of no such shape keep what they have: policies cover it.
func (p *planner) beyond(r *catalog.Relation, privilege string) bool {
	verb, _, _ := strings.Cut(privilege, " ")
	if !slices.Contains(dml(), verb) {
		return false
	}
	q, s := r.QName(), &p.m.Shapes
	if q == p.m.Tenants {
		return s.Tree != nil && verb == "UPDATE" && (privilege == verb || p.movesTenants(privilege))
	}
	if p.keepsOwn(r) {
		return false // its own policies say what may be written
	}
	limited := s.MembersOf(q) != nil || s.LinkOf(q) != nil || s.Caller != nil && s.Caller.Table == q ||
		s.PartiesOf(q) != nil || s.SharesOf(q) != nil || s.ShareLinkOf(q) != nil
	return limited && !slices.ContainsFunc(p.granted(r), func(may string) bool {
		return may == privilege || may == verb
	})
}

// movesTenants reports whether a column privilege changes a tenant's place in the tree.
func (p *planner) movesTenants(privilege string) bool {
	return slices.Contains(slices.Concat(ofColumns("UPDATE", []string{p.m.Key}),
		ofColumns("UPDATE", []string{p.m.Shapes.Tree.Parent}), ofColumns("UPDATE", []string{catalog.Level})), privilege)
}

// askPeople asks about a table that another links to tenants, row by row: most often
// people, who are members of several.
func (p *planner) askPeople(rel *catalog.Relation, tm catalog.TableModel) bool {
	for _, ref := range p.membersFirst(p.References(rel.QName())) {
		link := p.Table(ref.From.QName())
		if link == nil || link.Class != catalog.TenantTable || len(ref.Key.Columns) != 1 || ref.From == rel {
			continue
		}
		q, through := key(tm.Table), key(ref.From.QName())
		p.decide(Decision{ID: "class/" + q, Table: tm.Table,
			Question: fmt.Sprintf("Do all tenants share %s, or does each see only the rows that its own %s name?", q, through),
			Why: tm.Why + ". With members a tenant sees those rows, and of them only the columns listed, as of people who " +
				"belong to it: leave out what no colleague should read. " + p.untilDecided(rel),
			Config: fmt.Sprintf("tables: {members: {%[1]s: {through: %[2]s, person: %[3]s, columns: [%[4]s]}}}\n"+
				"tables: {shared: [%[1]s]}   # or: every tenant reads it", q, through, ref.Key.Columns[0], shown(rel))})
		return true
	}
	return false
}

// membersFirst puts the tables that list members before those that merely name a person.
func (p *planner) membersFirst(refs []catalog.Reference) []catalog.Reference {
	refs = slices.Clone(refs)
	links := func(ref catalog.Reference) int {
		t := p.Table(ref.From.QName())
		if t == nil || t.Class != catalog.TenantTable ||
			!p.linksPeople(&table{rel: ref.From, class: t.Class, column: t.Column}) {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(refs, func(a, b catalog.Reference) int { return links(a) - links(b) })
	return refs
}

// shown lists the columns whose names do not say that nobody else should read them.
func shown(rel *catalog.Relation) string {
	all := list.Pick(rel.Columns, func(c catalog.Column) (string, bool) { return c.Name, !policy.NamesPrivate(c.Name) })
	return strings.Join(all, ", ")
}
