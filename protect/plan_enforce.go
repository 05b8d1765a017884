package protect

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

// enforce plans what a running application can notice: rights taken away, views
// that read with the caller's rights, and row-level security itself, last.
func (p *planner) enforce() {
	p.revokes()
	p.owners()
	p.views()
	p.definers()
	for _, m := range p.m.Shapes.Members {
		p.enable(p.Relation(m.Table), nil)
	}
	for _, t := range p.tables {
		for _, part := range p.partitions(t.rel) {
			if part.Kind != catalog.ForeignTable {
				p.enable(part, nil)
			}
		}
		p.enable(t.rel, t)
	}
}

// enforced reports whether row-level security is enabled and forced.
func (p *planner) enforced(t *table) bool { return t.rel.RLS && t.rel.ForceRLS }

func (p *planner) enable(rel *catalog.Relation, t *table) {
	q := rel.QName()
	var do, undo []string
	if !rel.RLS {
		do, undo = append(do, "ENABLE ROW LEVEL SECURITY"), append(undo, "DISABLE ROW LEVEL SECURITY")
	}
	if !rel.ForceRLS {
		do, undo = append(do, "FORCE ROW LEVEL SECURITY"), append(undo, "NO FORCE ROW LEVEL SECURITY")
	}
	filled := t != nil && (p.hasTrigger(t) || p.fills(t))
	if len(do) == 0 && !filled {
		return
	}
	step := Step{ID: stepID(GroupEnforce, q, "enable"), Group: GroupEnforce, Table: q, Needs: p.ifPlanned(wallsStep(q)),
		Title: "enable and force row-level security", Lock: AccessExclusive,
		Reason: "from here on only the current tenant's rows are visible, even to the owner",
		Hazards: []string{"a connection that sets no tenant sees no rows", "nor does the table's owner: its migrations " +
			"change 0 rows without an error, and its pg_dump fails; run both as " + p.c.Roles.Operator}}
	if len(do) > 0 {
		step.SQL = []string{fmt.Sprintf("ALTER TABLE %s %s", q.SQL(), strings.Join(do, ", "))}
		step.Undo = []string{fmt.Sprintf("ALTER TABLE %s %s", q.SQL(), strings.Join(undo, ", "))}
	}
	step.SQL = append(p.endObserved(rel), step.SQL...)
	if filled {
		step.SQL = append(step.SQL, p.undoFill(t)...)
		step.Undo = append(step.Undo, p.refill(t)...)
	}
	p.add(p.guarded(step))
}

// fills reports whether this plan makes t's trigger.
func (p *planner) fills(t *table) bool {
	q := t.rel.QName()
	return t.source != nil && (p.planned(stepID(GroupColumns, q, "trigger")) ||
		(t.missing && p.planned(stepID(GroupColumns, q, "add"))))
}

func (p *planner) refill(t *table) []string {
	if t.source == nil {
		return nil
	}
	return p.fillSQL(t)
}

// revokes plans what the application role and PUBLIC must not keep.
func (p *planner) revokes() {
	for _, schema := range p.m.Schemas {
		if schema == Schema {
			continue
		}
		set := privilegeChange{p: p}
		p.revokeSchema(&set, schema)
		for i := range p.s.Relations {
			if r := &p.s.Relations[i]; r.Schema == schema && r.Extension == "" {
				p.revokeRelation(&set, r)
			}
		}
		p.addRevokes("schema/"+schema, "revoke privileges that policies do not cover in schema "+schema, set)
	}
	p.revokeDatabase()
	p.revokeDefaults()
}

// privilegeChange collects statements and their reverse.
type privilegeChange struct {
	p              *planner
	do, undo, left []string
}

func (p *planner) addRevokes(id, title string, set privilegeChange) {
	if len(set.left) > 0 {
		p.leave(Left{Title: title, Reason: p.user.Name + " does not own these objects", SQL: set.left})
	}
	if len(set.do) == 0 {
		return
	}
	slices.Reverse(set.undo)
	p.add(Step{ID: "enforce/revoke/" + id, Group: GroupEnforce, Title: title, SQL: set.do, Undo: set.undo,
		Hazards: []string{"whoever relies on these privileges loses them"},
		Reason:  "policies do not apply to TRUNCATE, TRIGGER, REFERENCES and MAINTAIN, and PUBLIC means every role"})
}

// revoke takes one privilege away as its grantor gave it.
func (set *privilegeChange) revoke(object, owner string, h catalog.Privilege) {
	do := fmt.Sprintf("REVOKE %s ON %s FROM %s", h.Name, object, sqltext.Role(h.Grantee))
	if !set.p.may(owner) {
		set.left = append(set.left, do)
		return
	}
	undo := fmt.Sprintf("GRANT %s ON %s TO %s", h.Name, object, sqltext.Role(h.Grantee))
	if h.Grantable {
		undo += " WITH GRANT OPTION"
	}
	if h.Grantor != "" && h.Grantor != owner {
		as := "SET LOCAL ROLE " + sqltext.Ident(h.Grantor)
		set.do = append(set.do, as, do, "RESET ROLE")
		set.undo = append(set.undo, "RESET ROLE", undo, as) // reversed later
		return
	}
	set.do = append(set.do, do)
	set.undo = append(set.undo, undo)
}

// weak reports whether a role is one that policies have to hold: PUBLIC, the
// application role, and what the application connects as today.
func (p *planner) weak(role, owner string) bool {
	if role == owner {
		return false
	}
	if role == "" || role == p.c.Roles.Application {
		return true
	}
	r := p.Role(role)
	return slices.Contains(p.m.Roles, role) && r != nil && !r.Super && !r.BypassRLS
}

func (p *planner) revokeSchema(set *privilegeChange, schema string) {
	s := p.Schema(schema)
	if s == nil {
		return
	}
	for _, h := range s.Privileges {
		if h.Name == "CREATE" && p.weak(h.Grantee, s.Owner) {
			set.revoke("SCHEMA "+sqltext.Ident(schema), s.Owner, h)
		}
	}
}

// revokeRelation goes by what the relation is: on tenant tables PUBLIC keeps
// nothing and the application its four verbs; a partition is read through its
// parent, so nobody needs rights on it.
func (p *planner) revokeRelation(set *privilegeChange, r *catalog.Relation) {
	partition := r.Partition && p.ofTenant(r)
	ours := p.byName[r.QName()] != nil || p.m.Shapes.MembersOf(r.QName()) != nil || partition ||
		slices.Contains(p.shared, r)
	if !ours && !slices.Contains([]catalog.Kind{catalog.View, catalog.MaterializedView}, r.Kind) {
		return
	}
	for _, h := range r.Privileges {
		if p.weak(h.Grantee, r.Owner) && (partition || p.uncovered(r, h)) {
			set.revoke(onRelation(r), r.Owner, h)
			if h.Grantee == p.c.Roles.Application && p.may(r.Owner) {
				set.do = append(set.do, p.columnsAgain(r, h.Name)...)
			}
		}
	}
	for _, c := range r.Columns {
		for _, h := range c.Privileges {
			column := fmt.Sprintf("%s (%s)", h.Name, sqltext.Ident(c.Name))
			beyond := h.Grantee == "" || h.Name == "REFERENCES" || p.beyond(r, column)
			if p.weak(h.Grantee, r.Owner) && (partition || beyond) {
				h.Name = column
				set.revoke(onRelation(r), r.Owner, h)
			}
		}
	}
}

// columnsAgain grants what the application may do to columns: to revoke a privilege on a
// table revokes it on each column as well.
func (p *planner) columnsAgain(r *catalog.Relation, privilege string) (sql []string) {
	for _, may := range p.applicationMay(r) {
		if strings.HasPrefix(may, privilege+" (") {
			sql = append(sql, fmt.Sprintf("GRANT %s ON %s TO %s", may, onRelation(r),
				sqltext.Ident(p.c.Roles.Application)))
		}
	}
	return sql
}

// uncovered reports whether policies do not cover a privilege, or PUBLIC has it.
func (p *planner) uncovered(r *catalog.Relation, h catalog.Privilege) bool {
	if r.Kind == catalog.View || r.Kind == catalog.MaterializedView {
		return h.Grantee == "" && p.readsTenants(r.QName())
	}
	if h.Grantee == "" && p.byName[r.QName()] != nil || p.beyond(r, h.Name) {
		return true
	}
	return slices.Contains([]string{"TRUNCATE", "TRIGGER", "REFERENCES", "MAINTAIN"}, h.Name)
}

// thisDatabase stands for the database in statements that know no word for it. Its name is
// not written down: migrations run in databases of other names.
const thisDatabase = "DATABASE %I"

func onThisDatabase(statements []string) {
	for i, q := range statements {
		if before, after, ok := strings.Cut(q, thisDatabase); ok {
			text := before + thisDatabase + strings.ReplaceAll(after, "%", "%%")
			statements[i] = "DO " + sqltext.Dollar(fmt.Sprintf("BEGIN\n  EXECUTE pg_catalog.format(%s, "+
				"pg_catalog.current_database());\nEND", sqltext.Literal(text)))
		}
	}
}

func (p *planner) revokeDatabase() {
	set := privilegeChange{p: p}
	d := p.s.Database
	for _, h := range d.Privileges {
		if (h.Name == "TEMPORARY" || h.Name == "TEMP" || h.Name == "CREATE") && p.weak(h.Grantee, d.Owner) {
			set.revoke(thisDatabase, d.Owner, h)
		}
	}
	onThisDatabase(set.do)
	onThisDatabase(set.undo)
	onThisDatabase(set.left)
	p.addRevokes("database", "revoke temporary tables and new schemas in the database", set)
}

// revokeDefaults ends default privileges that would open a new table before it has
// policies.
func (p *planner) revokeDefaults() {
	set := privilegeChange{p: p}
	for _, d := range p.s.Defaults {
		if d.Object != "tables" || !p.weak(d.Privilege.Grantee, d.Role) || (d.Schema != "" && !p.hasSchema(d.Schema)) {
			continue
		}
		prefix := "ALTER DEFAULT PRIVILEGES FOR ROLE " + sqltext.Ident(d.Role)
		if d.Schema != "" {
			prefix += " IN SCHEMA " + sqltext.Ident(d.Schema)
		}
		if !p.may(d.Role) {
			set.left = append(set.left, fmt.Sprintf("%s REVOKE %s ON TABLES FROM %s", prefix, d.Privilege.Name,
				sqltext.Role(d.Privilege.Grantee)))
			continue
		}
		undo := fmt.Sprintf("%s GRANT %s ON TABLES TO %s", prefix, d.Privilege.Name, sqltext.Role(d.Privilege.Grantee))
		if d.Privilege.Grantable {
			undo += " WITH GRANT OPTION"
		}
		set.do = append(set.do, fmt.Sprintf("%s REVOKE %s ON TABLES FROM %s", prefix, d.Privilege.Name,
			sqltext.Role(d.Privilege.Grantee)))
		set.undo = append(set.undo, undo)
	}
	p.addRevokes("defaults", "revoke default privileges on new tables", set)
}
