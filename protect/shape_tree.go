package protect

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/policy"
)

// treeRole plans the role under which a tenant sees what is below it, and how the
// application becomes it. Its policies must not apply to the application as it is, so the
// membership does not inherit.
func (p *planner) treeRole() {
	tree := p.m.Shapes.Tree
	if tree == nil {
		return
	}
	if !p.role(tree.Role, "NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS",
		"the application becomes this role for a statement that reads what is below its tenant") || !p.app {
		return
	}
	app := p.c.Roles.Application
	if held := p.membership(tree.Role, app); held != nil && held.Set && !held.Inherit {
		return
	}
	do, undo := []string{}, []string{fmt.Sprintf("REVOKE %s FROM %s", sqltext.Ident(tree.Role), sqltext.Ident(app))}
	grant := fmt.Sprintf("GRANT %s TO %s", sqltext.Ident(tree.Role), sqltext.Ident(app))
	if p.major() >= 16 {
		grant += " WITH INHERIT FALSE, SET TRUE"
	} else if r := p.Role(app); r == nil || r.Inherit {
		do = append(do, fmt.Sprintf("ALTER ROLE %s NOINHERIT", sqltext.Ident(app)))
		undo = append(undo, fmt.Sprintf("ALTER ROLE %s INHERIT", sqltext.Ident(app)))
	}
	step := Step{ID: "roles/member/" + tree.Role, Group: GroupRoles,
		Title: fmt.Sprintf("let %s become %s", app, tree.Role), SQL: append(do, grant), Undo: undo,
		Reason: "a statement that reads the whole tree switches its role; all others run as before"}
	if len(do) > 0 {
		step.Hazards = []string{app + " no longer has the privileges of roles that it is a member of without SET ROLE"}
	}
	if !p.user.Super && !p.user.CreateRole {
		p.leave(Left{Title: step.Title, Reason: p.user.Name + " has no CREATEROLE", SQL: step.SQL})
		return
	}
	p.add(step)
}

func (p *planner) membership(role, member string) *catalog.Membership {
	for i := range p.s.Memberships {
		if m := &p.s.Memberships[i]; m.Role == role && m.Member == member {
			return m
		}
	}
	return nil
}

// definerRole plans the role that owns the functions of the shapes.
func (p *planner) definerRole() {
	if p.planned("roles/role/" + p.c.Roles.Definer) {
		return
	}
	p.role(p.c.Roles.Definer, "NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION BYPASSRLS",
		"owns the functions that keep the shapes, which check the tenant themselves")
}

// tree plans the closure and what keeps it, before any policy reads it.
func (p *planner) tree() {
	t := p.m.Shapes.Tree
	if t == nil {
		return
	}
	tenants := p.byName[p.m.Tenants]
	if tenants == nil {
		return
	}
	p.definerRole()
	p.closure(t, tenants)
	p.closureGrants(t)
	p.indexFor(tenants.rel, p.m.Tenants, []string{t.Parent})
	if len(t.Fast) > 0 {
		p.levels(t, tenants)
	}
}

// superuserStep plans what only a superuser may do: give a function to a role that
// bypasses policies.
func (p *planner) superuserStep(s Step) {
	if !p.user.Super {
		p.leave(Left{Title: s.Title, Reason: "its function must belong to a role with BYPASSRLS, which only a superuser " +
			"can set up here. What needs it is planned once it is there", SQL: s.SQL})
		p.unable[s.ID] = true
	}
	p.add(s)
}

func (p *planner) closure(t *catalog.Tree, tenants *table) {
	q, helper := t.Closure(), p.TreeHelper()
	there := p.Relation(q)
	wall := p.ClosureWall()
	if there != nil && p.Missing(helper) == "" && p.Has(there, wall) && there.RLS && there.ForceRLS {
		return
	}
	if there != nil && len(there.Columns) != 3 {
		p.decide(Decision{ID: "shape/closure", Table: q, Question: "Whose table is " + q.String() + "?",
			Why: "It has that name, but not the columns of the tree that moat keeps. Rename it first."})
		return
	}
	step := Step{ID: p.treeStep(), Group: GroupColumns, Table: p.m.Tenants, Needs: p.helpers([]string{wall.Using}),
		Title: "keep the tree of tenants in " + q.String(),
		SQL:   p.closureSQL(t, tenants, helper, wall, there),
		Undo:  append(append(helper.Drop(), "DROP TABLE IF EXISTS "+q.SQL()), p.usageOf(Schema)...),
		Check: p.loose(t, tenants), Data: true,
		Lock: ShareRowExclusive, Estimate: p.sizeOf(tenants.rel, 20_000),
		Hazards: []string{"writers of " + key(p.m.Tenants) + " wait while the tree is read once",
			"tenants are moved in read committed transactions only"},
		Reason: "policies read all tenants below one in a single index scan; a trigger keeps the pairs"}
	p.superuserStep(step)
}

func (p *planner) closureSQL(t *catalog.Tree, tenants *table, h policy.Helper, wall policy.Spec,
	there *catalog.Relation,
) []string {
	q, definer := t.Closure(), sqltext.Ident(p.c.Roles.Definer)
	tenantsSQL, id := p.m.Tenants.SQL(), sqltext.Ident(p.m.Key)
	var sql []string
	if there == nil {
		sql = append(sql, fmt.Sprintf("LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE", tenantsSQL),
			fmt.Sprintf("CREATE TABLE %[1]s (\n  ancestor %[2]s NOT NULL REFERENCES %[3]s (%[4]s) ON DELETE CASCADE,\n"+
				"  tenant %[2]s NOT NULL REFERENCES %[3]s (%[4]s) ON DELETE CASCADE,\n  depth integer NOT NULL,\n"+
				"  PRIMARY KEY (ancestor, tenant)\n)", q.SQL(), tenants.typ, tenantsSQL, id),
			fmt.Sprintf("CREATE INDEX tenant_tree_tenant_ancestor_idx ON %s (tenant, ancestor)", q.SQL()),
			fmt.Sprintf("INSERT INTO %s\n  WITH RECURSIVE pairs (ancestor, tenant, depth) AS (\n    SELECT %[2]s, %[2]s, 0 "+
				"FROM %[3]s\n    UNION ALL\n    SELECT p.ancestor, c.%[2]s, p.depth + 1 FROM pairs p JOIN %[3]s c ON "+
				"c.%[4]s = p.tenant)\n  SELECT * FROM pairs", q.SQL(), id, tenantsSQL, sqltext.Ident(t.Parent)))
	}
	sql = append(sql, fmt.Sprintf("GRANT USAGE ON SCHEMA %s TO %s", Schema, definer),
		fmt.Sprintf("GRANT SELECT, INSERT, DELETE ON %s TO %s", q.SQL(), definer))
	sql = append(sql, p.operatorReadsTable(q.SQL())...)
	sql = append(sql, h.Create(p.c.Roles.Definer)...)
	sql = append(sql, policy.Drop(q, wall.Name), wall.Create())
	return append(sql, policy.Enable(q)...)
}

// loose finds tenants that no way leads to from the top: they are in a cycle.
func (p *planner) loose(t *catalog.Tree, tenants *table) *Check {
	q, id, parent := p.m.Tenants.SQL(), sqltext.Ident(p.m.Key), sqltext.Ident(t.Parent)
	cond := fmt.Sprintf("c.%[1]s NOT IN (WITH RECURSIVE r AS (SELECT t.%[1]s FROM %[2]s t WHERE t.%[3]s IS NULL UNION "+
		"SELECT t.%[1]s FROM r JOIN %[2]s t ON t.%[3]s = r.%[1]s) SELECT %[1]s FROM r)", id, q, parent)
	return &Check{ID: "cycle/" + key(p.m.Tenants), What: "tenants of " + key(p.m.Tenants) + " that are below themselves",
		Count: countWhere(q+" c", cond), Sample: sample(tenants.rel, q+" c", cond)}
}

// levels plans the level column of the tenants table and of each fast table.
func (p *planner) levels(t *catalog.Tree, tenants *table) {
	p.tenantLevel(t, tenants)
	for _, name := range t.Fast {
		if fast := p.byName[name]; fast != nil && fast != tenants {
			p.level(t, tenants, fast)
		}
	}
}

func (p *planner) tenantLevel(t *catalog.Tree, tenants *table) {
	h, q, definer := p.RootHelper(), p.m.Tenants, sqltext.Ident(p.c.Roles.Definer)
	if tenants.rel.Column(catalog.Level) != nil && p.Missing(h) == "" {
		return
	}
	sql := []string{
		fmt.Sprintf("ALTER TABLE %s ADD COLUMN IF NOT EXISTS %s %s", q.SQL(), catalog.Level, tenants.typ),
		fmt.Sprintf("GRANT USAGE ON SCHEMA %s TO %s", sqltext.Ident(q.Schema), definer),
		fmt.Sprintf("GRANT SELECT, UPDATE (%s) ON %s TO %s", catalog.Level, q.SQL(), definer),
	}
	sql = append(sql, h.Create(p.c.Roles.Definer)...)
	sql = append(sql, fmt.Sprintf("UPDATE %[1]s t SET %[2]s = r.ancestor FROM (SELECT DISTINCT ON (tenant) tenant, "+
		"ancestor FROM %[3]s ORDER BY tenant, depth DESC) r\n  WHERE t.%[4]s = r.tenant AND t.%[2]s IS "+
		"DISTINCT FROM r.ancestor", q.SQL(), catalog.Level, t.Closure().SQL(), sqltext.Ident(p.m.Key)))
	p.superuserStep(Step{ID: stepID(GroupColumns, q, "level"), Group: GroupColumns, Table: q,
		Needs: p.ifPlanned(p.treeStep()), Data: true,
		Title: "keep the topmost tenant in " + catalog.Level, SQL: sql,
		Undo: append(append(h.Drop(), fmt.Sprintf("REVOKE SELECT ON %s FROM %s", q.SQL(), definer),
			fmt.Sprintf("ALTER TABLE %s DROP COLUMN IF EXISTS %s", q.SQL(), catalog.Level)), p.usageOf(q.Schema)...),
		Lock: AccessExclusive, Estimate: p.sizeOf(tenants.rel, 20_000),
		Hazards: []string{"SELECT * sees one more column", "writers of " + key(q) + " wait while it is filled once"},
		Reason:  "rows of a hot table are found by it in the order of an index, however many tenants are below"})
}

func (p *planner) treeStep() string { return stepID(GroupColumns, p.m.Tenants, "tree") }

// helpers are the planned steps that make what statements about policies of shapes ask.
func (p *planner) helpers(sql []string) []string {
	asks := func(q catalog.QName) bool {
		return slices.ContainsFunc(sql, func(s string) bool { return strings.Contains(s, q.SQL()) })
	}
	var needs []string
	if tree := p.m.Shapes.Tree; tree != nil && asks(tree.Closure()) {
		needs = p.ifPlanned(p.treeStep())
	}
	if h := p.CallerTenants(); h != nil && asks(h.Function) {
		needs = append(needs, p.ifPlanned(callerStep(*h))...)
	}
	return needs
}

// ifPlanned is the ID of a step where that is planned, nothing otherwise.
func (p *planner) ifPlanned(id string) []string {
	if id != "" && p.planned(id) {
		return []string{id}
	}
	return nil
}

// level plans the level column of one table: the column and the trigger that fills it, the
// filling of the rows there are, and the key that moves with the tenant.
func (p *planner) level(t *catalog.Tree, tenants, fast *table) {
	q, h := fast.rel.QName(), p.LevelHelper(fast.rel.QName(), fast.column)
	add := stepID(GroupColumns, q, "level")
	if fast.rel.Column(catalog.Level) == nil || p.Missing(h) != "" {
		p.superuserStep(Step{ID: add, Group: GroupColumns, Table: q,
			Needs: p.ifPlanned(stepID(GroupColumns, p.m.Tenants, "level")),
			Title: "add column " + catalog.Level + " " + tenants.typ,
			SQL: append([]string{fmt.Sprintf("ALTER TABLE %s ADD COLUMN IF NOT EXISTS %s %s", q.SQL(), catalog.Level,
				tenants.typ)}, h.Create(p.c.Roles.Definer)...),
			Undo: append(h.Drop(), fmt.Sprintf("ALTER TABLE %s DROP COLUMN IF EXISTS %s", q.SQL(), catalog.Level)),
			Lock: AccessExclusive, Hazards: []string{"SELECT * sees one more column"},
			Reason: "the topmost tenant of a row's tenant: ordered lists of a whole tree find their index by it"})
	}
	p.fillLevel(fast, add)
	p.levelKey(tenants, fast)
	p.indexFor(fast.rel, q, append([]string{catalog.Level}, ordered(fast.rel)...))
}

// ordered is the column that lists are usually ordered by.
func ordered(rel *catalog.Relation) []string {
	for _, name := range []string{"created_at", "createdAt", "inserted_at", "created"} {
		if rel.Column(name) != nil {
			return []string{name}
		}
	}
	return nil
}

func (p *planner) fillLevel(fast *table, needs string) {
	q := fast.rel.QName()
	if !p.planned(needs) {
		return
	}
	b := &Backfill{Table: q, Column: catalog.Level, Set: fmt.Sprintf("(SELECT t.%s FROM %s t WHERE t.%s = c.%s)",
		catalog.Level, p.m.Tenants.SQL(), sqltext.Ident(p.m.Key), sqltext.Ident(fast.column))}
	for _, leaf := range p.physical(fast.rel) {
		b.Parts = append(b.Parts, Part{Table: leaf.QName(), Key: walked(leaf)})
	}
	p.add(Step{ID: stepID(GroupBackfill, q, "level"), Group: GroupBackfill, Kind: KindBackfill, Table: q, Backfill: b,
		Data: true, Needs: p.ifPlanned(needs), Title: "fill " + catalog.Level, SQL: []string{b.batchSQL(b.Parts[0], "…")},
		Lock: RowExclusive, Scans: true, Estimate: p.sizeOf(fast.rel, 20_000),
		Hazards: []string{"each batch locks the rows it fills until it commits"},
		Reason:  "rows with a wrong or missing level are hidden from the agency, never shown to another"})
}

// levelKey plans the key by which the level of a row moves with its tenant's.
func (p *planner) levelKey(tenants, fast *table) {
	q := fast.rel.QName()
	there := slices.ContainsFunc(fast.rel.Constraints, func(k catalog.Constraint) bool {
		return k.Type == catalog.ForeignKey && k.References == p.m.Tenants && k.OnUpdate == "cascade" &&
			slices.Equal(k.Columns, []string{fast.column, catalog.Level})
	})
	if there {
		return
	}
	needs := p.unique(tenants, []string{p.m.Key, catalog.Level})
	name := sqltext.Name(fast.rel.Name, fast.column, catalog.Level, "fkey")
	def := fmt.Sprintf("FOREIGN KEY (%s, %s) REFERENCES %s (%s, %s) ON UPDATE CASCADE", sqltext.Ident(fast.column),
		catalog.Level, p.m.Tenants.SQL(), sqltext.Ident(p.m.Key), catalog.Level)
	add := stepID(GroupKeys, q, name+"/add")
	p.add(Step{ID: add, Group: GroupKeys, Table: q, Needs: p.ifPlanned(needs),
		Title: "add foreign key " + name + " for new rows",
		SQL:   []string{fmt.Sprintf("ALTER TABLE %s ADD CONSTRAINT %s %s NOT VALID", q.SQL(), sqltext.Ident(name), def)},
		Undo:  []string{dropConstraint(q, name)}, Lock: ShareRowExclusive,
		Reason: "a tenant that is moved takes the level of its rows along"})
	p.add(Step{ID: stepID(GroupKeys, q, name+"/validate"), Group: GroupKeys, Kind: KindValidate, Table: q,
		Needs: []string{add},
		Data:  true, Title: "validate foreign key " + name + " for existing rows",
		SQL:  []string{fmt.Sprintf("ALTER TABLE %s VALIDATE CONSTRAINT %s", q.SQL(), sqltext.Ident(name))},
		Lock: ShareUpdateExclusive, Scans: true, Estimate: p.sizeOf(fast.rel, 500_000),
		Reason: "existing rows are checked while writers carry on"})
}

// treeMay keeps of the application's privileges those of the tree's role. It moves no row
// from one tenant to another, and makes tenants only where it may write below its own.
func (p *planner) treeMay(r *catalog.Relation) []string {
	tree := p.m.Shapes.Tree
	var all []string
	for _, name := range p.applicationMay(r) {
		switch {
		case strings.HasPrefix(name, "SELECT"):
			all = append(all, name)
		case !tree.Writes:
		case name == "UPDATE" && p.byName[r.QName()] != nil:
			all = append(all, ofColumns("UPDATE", p.unfixed(r))...)
		default:
			all = append(all, name)
		}
	}
	if tree.Writes && r.QName() == p.m.Tenants {
		all = append(all, ofColumns("INSERT", p.unfixed(r, p.m.Key))...)
	}
	return all
}

// unfixed are the columns of a table but for the tenant's, those that moat's triggers fill, and
// what is never given.
func (p *planner) unfixed(r *catalog.Relation, and ...string) []string {
	all := and
	for _, c := range r.Columns {
		if c.Name != p.byName[r.QName()].column && c.Name != catalog.Level && c.Generated == "" && c.Identity != "always" &&
			!fillsOwner(r, c.Name) {
			all = append(all, c.Name)
		}
	}
	return all
}

// fillsOwner reports whether a trigger of ours fills the column that says whose row a key means.
func fillsOwner(r *catalog.Relation, column string) bool {
	return slices.ContainsFunc(r.Triggers, func(t catalog.Trigger) bool {
		return t.Name == sqltext.Name("moat", column) && t.Function.Schema == Schema
	})
}

// closureGrants let the policies' readers read the closure: a policy's subquery runs with
// the rights of whoever the policy is for.
func (p *planner) closureGrants(t *catalog.Tree) {
	if !p.app {
		return
	}
	there, schema := p.Relation(t.Closure()), p.Schema(Schema)
	var do, undo []string
	for _, role := range append(p.accessRoles(), t.Role) {
		ident := sqltext.Ident(role)
		if there != nil && p.holds(there.Privileges, role, "SELECT") && p.holds(schema.Privileges, role, "USAGE") {
			continue
		}
		do = append(do, fmt.Sprintf("GRANT USAGE ON SCHEMA %s TO %s", Schema, ident),
			fmt.Sprintf("GRANT SELECT ON %s TO %s", t.Closure().SQL(), ident))
		if schema == nil || !p.holds(schema.Privileges, role, "USAGE") {
			undo = append(undo, fmt.Sprintf("REVOKE USAGE ON SCHEMA %s FROM %s", Schema, ident))
		}
	}
	if len(do) == 0 {
		return
	}
	p.add(Step{ID: stepID(GroupColumns, p.m.Tenants, "tree-grants"), Group: GroupColumns, Table: p.m.Tenants,
		Needs: p.ifPlanned(stepID(GroupColumns, p.m.Tenants, "tree")), Title: "let policies read " + t.Closure().String(),
		SQL: do, Undo: undo, Reason: "its own policy shows a tenant the pairs below it, and no others"})
}

func (p *planner) holds(list []catalog.Privilege, role, name string) bool {
	return slices.ContainsFunc(list, func(h catalog.Privilege) bool {
		return h.Name == name && (h.Grantee == "" || h.Grantee == role)
	})
}

// usageOf takes from the definer role its right to use a schema, unless it has it today.
func (p *planner) usageOf(schema string) []string {
	if s := p.Schema(schema); s != nil && p.holds(s.Privileges, p.c.Roles.Definer, "USAGE") {
		return nil
	}
	return []string{fmt.Sprintf("REVOKE USAGE ON SCHEMA %s FROM %s", sqltext.Ident(schema),
		sqltext.Ident(p.c.Roles.Definer))}
}
