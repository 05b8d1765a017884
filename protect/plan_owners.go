package protect

import (
	"fmt"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

// owners looks at what the application role owns: an owner of a table may switch row-
// level security off, and one of the schema or the database may drop what is in it.
func (p *planner) owners() {
	p.ownerAbove("database", p.s.Database.Name, p.s.Database.Owner)
	for _, name := range p.m.Schemas {
		if s := p.Schema(name); s != nil && name != Schema {
			p.ownerAbove("schema", name, s.Owner)
		}
	}
	for r := range catalog.Each(p.s.Relations) {
		if r.Owner == p.c.Roles.Application && p.hasSchema(r.Schema) && r.OwnedBy == nil {
			p.tableOwner(r)
		}
	}
}

// ownerAbove plans, or asks about, the owner of the database or of a schema.
func (p *planner) ownerAbove(kind, name, owner string) {
	app := p.c.Roles.Application
	if owner != app {
		return
	}
	object := strings.ToUpper(kind) + " " + sqltext.Ident(name)
	change := fmt.Sprintf("ALTER %s OWNER TO %s", object, sqltext.Ident(p.c.Roles.Owner))
	if !p.c.ChangeOwner || !p.ownerRole() {
		p.decide(Decision{ID: "owner/" + kind + "/" + name, Object: name,
			Question: fmt.Sprintf("The application role owns the %s %s. Make %s its owner?", kind, name, p.c.Roles.Owner),
			Why:      "Its owner can drop every table in it and make new ones that no policy covers.",
			SQL:      []string{change}, Config: "protect: {change_owner: true}"})
		return
	}
	s := Step{ID: "enforce/owner/" + kind + "/" + name, Group: GroupEnforce, Title: "make " + p.c.Roles.Owner +
		" the owner of " + kind + " " + name,
		SQL: []string{change}, Undo: []string{fmt.Sprintf("ALTER %s OWNER TO %s", object, sqltext.Ident(app))},
		Hazards: []string{"migrations that run as " + app + " need another role"},
		Reason:  "its owner can drop every table in it"}
	if kind == "schema" {
		s.SQL = append(s.SQL, fmt.Sprintf("GRANT USAGE ON %s TO %s", object, sqltext.Ident(app)))
		s.Undo = append([]string{fmt.Sprintf("REVOKE USAGE ON %s FROM %s", object, sqltext.Ident(app))}, s.Undo...)
	}
	if !p.user.Super {
		p.leave(Left{Title: s.Title, Reason: p.user.Name + " is no superuser", SQL: s.SQL})
		return
	}
	p.add(s)
}

func (p *planner) tableOwner(r *catalog.Relation) {
	q, app := r.QName(), p.c.Roles.Application
	change := fmt.Sprintf("ALTER TABLE %s OWNER TO %s", q.SQL(), sqltext.Ident(p.c.Roles.Owner))
	if !p.c.ChangeOwner || !p.ownerRole() {
		p.decide(Decision{ID: "owner/" + key(q), Table: q, Question: "The application role owns " + key(q) + ". Make " +
			p.c.Roles.Owner + " its owner?",
			Why: "An owner can turn row-level security off.", SQL: []string{change}, Config: "protect: {change_owner: true}"})
		return
	}
	p.add(Step{ID: stepID(GroupEnforce, q, "owner"), Group: GroupEnforce, Table: q, Title: "make " + p.c.Roles.Owner +
		" its owner",
		SQL:  append([]string{change}, p.keepRights(r, app)...),
		Undo: append(p.dropRights(r, app), fmt.Sprintf("ALTER TABLE %s OWNER TO %s", q.SQL(), sqltext.Ident(app))),
		Lock: AccessExclusive, Hazards: []string{"migrations that run as " + app + " need another role"},
		Reason: "an owner can turn row-level security off"})
}

// keepRights gives the former owner the verbs it had by owning.
func (p *planner) keepRights(r *catalog.Relation, app string) []string {
	if may := p.applicationMay(r); len(may) > 0 {
		return []string{fmt.Sprintf("GRANT %s ON %s TO %s", strings.Join(may, ", "), onRelation(r), sqltext.Ident(app))}
	}
	return nil
}

func (p *planner) dropRights(r *catalog.Relation, app string) []string {
	if may := p.applicationMay(r); len(may) > 0 {
		return []string{fmt.Sprintf("REVOKE %s ON %s FROM %s", strings.Join(may, ", "), onRelation(r), sqltext.Ident(app))}
	}
	return nil
}
