package protect

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/internal/migrations/tools"
	"github.com/moat-db/moat/internal/sqltext"
)

// roles plans the roles that are missing and what they are granted. What takes a
// right away from a running application waits for group enforce.
func (p *planner) roles() {
	p.app = p.role(p.c.Roles.Application, "LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS INHERIT",
		"the application connects as this role: it owns nothing, and row-level security applies to it")
	p.operator = p.role(p.c.Roles.Operator, "LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION BYPASSRLS",
		"migrations, backfills and exports run as this role, in a separate pool")
	p.treeRole()
	p.askConnections()
	p.askMembers()
	if p.app {
		p.checkApplication()
		p.grants("application", p.c.Roles.Application, p.wants(p.applicationMay))
	}
	if tree := p.m.Shapes.Tree; tree != nil && p.app {
		p.grants("tree", tree.Role, p.wants(p.treeMay))
	}
	if p.operator {
		p.grants("operator", p.c.Roles.Operator, p.operatorWants)
		p.operatorRights()
	}
}

// role plans a role that is missing; false means that it is missing and that the
// connected role may not make it.
func (p *planner) role(role, attributes, reason string) bool {
	create := createRole(role, attributes)
	step := Step{ID: "roles/role/" + role, Group: GroupRoles, Kind: KindSQL, Title: "create role " + role,
		SQL: []string{create}, Superuser: strings.Contains(attributes, " BYPASSRLS"), Transactional: true,
		Hazards: []string{"the role has no password; set one if the server asks for it"}, Reason: reason}
	if p.Role(role) != nil {
		p.give(step)
		return true
	}
	if why := p.mayNotCreate(attributes); why != "" {
		p.leave(Left{Title: "create role " + role, Reason: why, SQL: []string{create}})
		return false
	}
	step.Undo = []string{dropRole(role)}
	p.add(step)
	return true
}

// give keeps, once, a step for servers that lack what this one has.
func (p *planner) give(s Step) {
	if !slices.ContainsFunc(p.plan.Given, func(o Step) bool { return o.ID == s.ID }) {
		p.plan.Given = append(p.plan.Given, s)
	}
}

func (p *planner) mayNotCreate(attributes string) string {
	bypass := strings.Contains(attributes, " BYPASSRLS")
	switch {
	case p.user.Super:
		return ""
	case !p.user.CreateRole:
		return fmt.Sprintf("%s has no CREATEROLE", p.user.Name)
	case bypass && p.major() < 16:
		return "only a superuser may create a BYPASSRLS role before PostgreSQL 16"
	case bypass && !p.user.BypassRLS:
		return fmt.Sprintf("%s has no BYPASSRLS itself", p.user.Name)
	}
	return ""
}

// createRole is safe to run in a cluster where another database has made the role:
// roles belong to the cluster.
func createRole(role, attributes string) string {
	body := fmt.Sprintf("BEGIN\n  IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = %s) THEN\n    CREATE "+
		"ROLE %s %s;\n  END IF;\nEXCEPTION WHEN duplicate_object OR unique_violation THEN\n"+
		"  NULL; -- somebody made it at this moment\nEND",
		sqltext.Literal(role), sqltext.Ident(role), attributes)
	return "DO " + sqltext.Dollar(body)
}

// dropRole keeps a role that something outside this database depends on.
func dropRole(role string) string {
	body := fmt.Sprintf("BEGIN\n  IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = %[1]s) THEN\n    DROP "+
		"ROLE %[2]s;\n  END IF;\n"+
		"EXCEPTION WHEN dependent_objects_still_exist THEN\n  RAISE NOTICE 'role %% is kept: something else depends on "+
		"it', %[1]s;\nEND", sqltext.Literal(role), sqltext.Ident(role))
	return "DO " + sqltext.Dollar(body)
}

// checkApplication mends the attributes of an application role that exists, and
// asks about what else lets it through.
func (p *planner) checkApplication() {
	role := p.Role(p.c.Roles.Application)
	if role == nil {
		return
	}
	var set, reset []string
	for _, a := range []struct {
		has  bool
		name string
	}{{role.Super, "SUPERUSER"}, {role.BypassRLS, "BYPASSRLS"}, {role.CreateRole, "CREATEROLE"},
		{role.Replication, "REPLICATION"}} {
		if a.has {
			set, reset = append(set, "NO"+a.name), append(reset, a.name)
		}
	}
	if len(set) > 0 {
		p.add(Step{ID: "enforce/role/" + role.Name, Group: GroupEnforce, Superuser: true,
			Title:   "apply row-level security to role " + role.Name,
			SQL:     []string{fmt.Sprintf("ALTER ROLE %s %s", sqltext.Ident(role.Name), strings.Join(set, " "))},
			Undo:    []string{fmt.Sprintf("ALTER ROLE %s %s", sqltext.Ident(role.Name), strings.Join(reset, " "))},
			Hazards: []string{"whatever relies on these attributes stops working"},
			Reason:  "the attributes " + strings.Join(reset, ", ") + " let the role bypass every policy"})
	}
	p.askMemberships(role.Name)
}

func (p *planner) askMemberships(app string) {
	for _, m := range p.s.Memberships {
		if m.Member != app || !p.dangerous(m.Role) {
			continue
		}
		revoke := fmt.Sprintf("REVOKE %s FROM %s", sqltext.Ident(m.Role), sqltext.Ident(app))
		if p.c.LeaveRoles && p.user.Super {
			p.add(Step{ID: "enforce/leave/" + m.Role, Group: GroupEnforce, Title: "take " + app + " out of role " + m.Role,
				SQL:     []string{revoke},
				Undo:    []string{fmt.Sprintf("GRANT %s TO %s%s", sqltext.Ident(m.Role), sqltext.Ident(app), adminOption(m))},
				Hazards: []string{"the application loses what it had through " + m.Role},
				Reason:  "protect.leave_roles: through that membership the application can bypass its policies"})
			continue
		}
		p.decide(Decision{ID: "member/" + m.Role, Object: m.Role,
			Question: fmt.Sprintf("Role %s is a member of %s. Revoke it?", app, m.Role),
			Why:      "Through that membership the application can bypass its policies.",
			SQL:      []string{revoke}, Config: "protect: {leave_roles: true}"})
	}
}

func adminOption(m catalog.Membership) string {
	if m.Admin {
		return " WITH ADMIN OPTION"
	}
	return ""
}

// dangerous reports whether membership in role lets a member past the policies.
func (p *planner) dangerous(role string) bool {
	r := p.Role(role)
	if r == nil {
		return false
	}
	predefined := []string{"pg_read_server_files", "pg_write_server_files", "pg_execute_server_program",
		"pg_read_all_data", "pg_write_all_data"}
	if r.Super || r.BypassRLS || slices.Contains(predefined, role) {
		return true
	}
	return slices.ContainsFunc(p.tables, func(t *table) bool { return t.rel.Owner == role })
}

// want is one object and the privileges a role should have on it.
type want struct {
	object     string // as GRANT … ON names it
	owner      string
	privileges []string
	held       []catalog.Privilege
}

// grants plans what a role lacks, in one step a schema: GRANT takes no table lock.
func (p *planner) grants(label, role string, wants func(schema string) []want) {
	for _, schema := range p.m.Schemas {
		if schema == Schema {
			continue
		}
		var do, undo, left []string
		for _, w := range wants(schema) {
			missing := lacking(w, role)
			if len(missing) == 0 {
				continue
			}
			list := strings.Join(missing, ", ")
			if !p.may(w.owner) {
				left = append(left, fmt.Sprintf("GRANT %s ON %s TO %s", list, w.object, sqltext.Ident(role)))
				continue
			}
			do = append(do, fmt.Sprintf("GRANT %s ON %s TO %s", list, w.object, sqltext.Ident(role)))
			undo = append(undo, fmt.Sprintf("REVOKE %s ON %s FROM %s", list, w.object, sqltext.Ident(role)))
		}
		if len(left) > 0 {
			p.leave(Left{Title: fmt.Sprintf("grant %s its privileges in schema %s", role, schema), Reason: p.user.Name +
				" does not own these", SQL: left})
		}
		if len(do) == 0 {
			continue
		}
		p.add(Step{ID: "roles/grant/" + label + "/" + schema, Group: GroupRoles, Superuser: label == "operator",
			Title: fmt.Sprintf("grant %s its privileges in schema %s", role, schema),
			SQL:   do, Undo: undo, Reason: "the " + label + " role needs these privileges and no others"})
	}
}

// granted are the privileges that the application has on a table by its shape, a column's
// as "UPDATE (title)".
func (p *planner) granted(r *catalog.Relation) []string {
	g := p.Granted(r)
	all := ofColumns("SELECT", g.Read)
	if g.Insert {
		all = append(all, "INSERT")
	}
	if g.Updates {
		all = append(all, ofColumns("UPDATE", g.Update)...)
	}
	if g.Delete {
		all = append(all, "DELETE")
	}
	return all
}

func ofColumns(privilege string, columns []string) []string {
	if len(columns) == 0 {
		return []string{privilege}
	}
	return list.Map(columns, func(c string) string { return fmt.Sprintf("%s (%s)", privilege, sqltext.Ident(c)) })
}

// heldOn are the privileges on a relation and, as "UPDATE (title)", on its columns.
func heldOn(r *catalog.Relation) []catalog.Privilege {
	all := slices.Clone(r.Privileges)
	for _, c := range r.Columns {
		for _, h := range c.Privileges {
			h.Name = fmt.Sprintf("%s (%s)", h.Name, sqltext.Ident(c.Name))
			all = append(all, h)
		}
	}
	return all
}

func lacking(w want, role string) []string {
	var missing []string
	for _, name := range w.privileges {
		held := slices.ContainsFunc(w.held, func(h catalog.Privilege) bool { return h.Grantee == role && h.Name == name })
		if !held {
			missing = append(missing, name)
		}
	}
	return missing
}

func dml() []string { return []string{"SELECT", "INSERT", "UPDATE", "DELETE"} }

// wants lists what a role needs in a schema, where may says what it needs of a relation.
func (p *planner) wants(may func(*catalog.Relation) []string) func(schema string) []want {
	return func(schema string) []want {
		wants := p.schemaUsage(schema)
		for r := range catalog.Each(p.s.Relations) {
			if r.Schema != schema || r.Extension != "" {
				continue
			}
			if privileges := may(r); len(privileges) > 0 {
				wants = append(wants, want{onRelation(r), r.Owner, privileges, heldOn(r)})
			}
		}
		return wants
	}
}

// applicationMay is what the application role needs: rows of tenant tables, reading of the
// tenants table and of shared ones, the sequences its inserts draw from, and the views over
// all these.
func (p *planner) applicationMay(r *catalog.Relation) []string {
	if r.Kind == catalog.Sequence {
		if p.feeds(r) {
			return []string{"USAGE"}
		}
		return nil
	}
	if r.Kind == catalog.View {
		return p.viewGrants(r)
	}
	if p.byName[r.QName()] != nil || p.m.Shapes.MembersOf(r.QName()) != nil {
		return p.verbs(r)
	}
	if slices.Contains(p.shared, r) {
		return []string{"SELECT"}
	}
	return nil
}

// feeds reports whether an insert into a tenant table draws from the sequence.
// Identity columns need no grant.
func (p *planner) feeds(seq *catalog.Relation) bool {
	if seq.OwnedBy == nil {
		return p.drawn()["'"+seq.QName().SQL()+"'"]
	}
	t := p.byName[seq.OwnedBy.Relation]
	if t == nil || t.class == catalog.TenantsTable {
		return false
	}
	c := t.rel.Column(seq.OwnedBy.Column)
	return c != nil && c.Identity == ""
}

// drawn are the sequences that defaults of tenant tables name, quoted as there.
func (p *planner) drawn() map[string]bool {
	if p.sequences != nil {
		return p.sequences
	}
	p.sequences = map[string]bool{}
	for _, t := range p.tables {
		if t.class == catalog.TenantsTable {
			continue
		}
		for _, c := range t.rel.Columns {
			if _, rest, ok := strings.Cut(c.Default, "nextval("); ok {
				name, _, _ := strings.Cut(rest, "::")
				p.sequences[name] = true
			}
		}
	}
	return p.sequences
}

func (p *planner) operatorWants(schema string) []want {
	wants := p.schemaUsage(schema)
	for r := range catalog.Each(p.s.Relations) {
		if r.Schema != schema || r.Extension != "" || p.toolState(r) {
			continue // a migration tool's own: it comes and goes with the tool
		}
		switch r.Kind {
		case catalog.Table, catalog.PartitionedTable:
			wants = append(wants, want{onRelation(r), r.Owner, dml(), r.Privileges})
		case catalog.View, catalog.MaterializedView, catalog.ForeignTable:
			wants = append(wants, want{onRelation(r), r.Owner, []string{"SELECT"}, r.Privileges})
		case catalog.Sequence:
			wants = append(wants, want{onRelation(r), r.Owner, []string{"SELECT", "USAGE"}, r.Privileges})
		}
	}
	return wants
}

// toolState reports whether a relation is a migration tool's own, or a sequence of one.
func (p *planner) toolState(r *catalog.Relation) bool {
	if r.OwnedBy != nil {
		r = p.Relation(r.OwnedBy.Relation)
	}
	return r != nil && tools.IsState(r.Name, r.ColumnNames())
}

func (p *planner) schemaUsage(schema string) []want {
	s := p.Schema(schema)
	if s == nil {
		return nil
	}
	return []want{{"SCHEMA " + sqltext.Ident(schema), s.Owner, []string{"USAGE"}, s.Privileges}}
}

func onRelation(r *catalog.Relation) string {
	if r.Kind == catalog.Sequence {
		return "SEQUENCE " + r.QName().SQL()
	}
	return "TABLE " + r.QName().SQL()
}
