package protect

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/policy"
)

//go:embed sql/reach.sql
var reachBody string

// nobodys reports whether a table may hold rows without a tenant: they are everybody's.
func (p *planner) nobodys(rel *catalog.Relation) bool {
	x := p.m.Shapes.SharedRowsOf(rel.QName())
	return x != nil && x.Sentinel == ""
}

// reach is a foreign key to a table of which more than the tenant's own rows may be meant.
// The row says whose the meant one is, in a column of its own that a trigger fills.
type reach struct {
	t, parent *table
	k         catalog.Constraint
	refs      []string // of the parent, without its owner
	columns   []string // of the table, without the owner
	owner     string   // column of the table
	ownerKey  string   // column of the parent
	nobody    string   // SQL of the owner of everybody's rows; "" in a tree
}

// ownerKey plans the key that allows the tenant's own rows, and everybody's or those from
// above, and no others.
func (p *planner) ownerKey(t, parent *table, k catalog.Constraint) {
	r := p.reachOf(t, parent, k)
	if k.Validated && p.Bounded(t.rel, &k) {
		return
	}
	sets := k.OnDelete == "set null" || k.OnDelete == "set default"
	if t.rel.Kind == catalog.PartitionedTable || len(r.columns) != 1 || sets {
		p.askKey(t, k, Decision{Blocks: reaches(k) != "",
			Question: "How should " + k.Name + " allow the tenant's own rows and those it may read, and no others?",
			Why: "moat plans such a key for one column of a table without partitions, with no action that clears columns. " +
				"docs/explanation/tenancy.md shows the key." + reaches(k)})
		return
	}
	p.indexFor(t.rel, t.rel.QName(), append([]string{r.owner}, r.columns...))
	if r.nobody == "" {
		p.indexFor(t.rel, t.rel.QName(), []string{r.owner, t.column})
	}
	if slices.Contains(k.Columns, r.owner) {
		p.ownerConstraints(r, nil) // the team's key is the one wanted, but for what bounds it
		return
	}
	p.definerRole()
	p.parentOwner(r)
	p.ownerConstraints(r, p.ownerColumn(r))
}

func (p *planner) reachOf(t, parent *table, k catalog.Constraint) reach {
	r := reach{t: t, parent: parent, k: k, ownerKey: parent.column}
	x := p.m.Shapes.SharedRowsOf(parent.rel.QName())
	switch {
	case x != nil && x.Sentinel == "":
		r.ownerKey, r.nobody = policy.OwnerKey, p.Nobody(parent.rel)
	case x != nil:
		r.nobody = p.Nobody(parent.rel)
	}
	for i, c := range k.Columns {
		if k.RefColumns[i] == r.ownerKey || k.RefColumns[i] == parent.column {
			r.owner = c
			continue
		}
		r.columns, r.refs = append(r.columns, c), append(r.refs, k.RefColumns[i])
	}
	if r.owner == "" || r.owner == t.column {
		r.owner = sqltext.Name(strings.TrimSuffix(r.columns[0], "_id"), "owner")
	}
	return r
}

func (r reach) checkName(what string) string { return sqltext.Name(r.t.rel.Name, r.owner, what) }

// parentOwner plans the column of the parent that a key can refer to where its tenant
// column may be NULL.
func (p *planner) parentOwner(r reach) {
	q := r.parent.rel.QName()
	id := stepID(GroupColumns, q, r.ownerKey)
	if r.parent.rel.Column(r.ownerKey) != nil || p.planned(id) {
		return
	}
	p.add(Step{ID: id, Group: GroupColumns, Table: q, Title: "add column " + r.ownerKey,
		SQL: []string{fmt.Sprintf("ALTER TABLE %s ADD COLUMN %s %s GENERATED ALWAYS AS (coalesce(%s, %s)) STORED", q.SQL(),
			r.ownerKey, r.parent.typ, sqltext.Ident(r.parent.column), r.nobody)},
		Undo: []string{fmt.Sprintf("ALTER TABLE %s DROP COLUMN IF EXISTS %s", q.SQL(), r.ownerKey)},
		Lock: AccessExclusive, Rewrites: true, Estimate: p.sizeOf(r.parent.rel, 200_000),
		Hazards: []string{"the table is rewritten: readers and writers wait meanwhile"},
		Reason:  "a foreign key never matches NULL; this column names nobody instead"})
}

// helper fills the owner's column from the row that is meant, and refuses a row that the
// tenant may not mean.
func (p *planner) reachHelper(r reach) policy.Helper {
	t, allowed := "NEW."+sqltext.Ident(r.t.column), ""
	if r.nobody != "" {
		allowed = fmt.Sprintf("p.%s IN (%s, %s)", r.ownerKey, t, r.nobody)
	} else {
		allowed = fmt.Sprintf("EXISTS (SELECT FROM %s c WHERE c.ancestor = p.%s AND c.tenant = %s)",
			p.m.Shapes.Tree.Closure().SQL(), sqltext.Ident(r.ownerKey), t)
	}
	body := strings.NewReplacer(":row", sqltext.Ident(r.columns[0]), ":owner", sqltext.Ident(r.owner),
		":key", sqltext.Ident(r.ownerKey), ":parent", r.parent.rel.QName().SQL(), ":id", sqltext.Ident(r.refs[0]),
		":allowed", allowed, ":name", r.columns[0], ":tenant", sqltext.Ident(r.t.column)).Replace(reachBody)
	q := r.t.rel.QName()
	return policy.Helper{Table: q, Trigger: sqltext.Name("moat", r.owner),
		When:     "BEFORE INSERT OR UPDATE OF " + sqltext.Idents([]string{r.columns[0], r.owner, r.t.column}),
		Function: catalog.QName{Schema: Schema, Name: sqltext.Name("owner", q.Schema, q.Name, r.owner)}, Body: body}
}

// ownerColumn plans the column, and its filling; it returns the steps that the key needs.
func (p *planner) ownerColumn(r reach) []string {
	q, h := r.t.rel.QName(), p.reachHelper(r)
	definer := sqltext.Ident(p.c.Roles.Definer)
	id := stepID(GroupColumns, q, r.owner)
	parent := r.parent.rel.QName()
	sql := []string{fmt.Sprintf("ALTER TABLE %s ADD COLUMN IF NOT EXISTS %s %s", q.SQL(), sqltext.Ident(r.owner),
		r.parent.typ),
		fmt.Sprintf("GRANT USAGE ON SCHEMA %s TO %s", sqltext.Ident(parent.Schema), definer),
		fmt.Sprintf("GRANT SELECT ON %s TO %s", parent.SQL(), definer)}
	undo := append(h.Drop(), fmt.Sprintf("REVOKE SELECT ON %s FROM %s", parent.SQL(), definer))
	if r.t.rel.Column(r.owner) == nil {
		undo = append(undo, fmt.Sprintf("ALTER TABLE %s DROP COLUMN IF EXISTS %s", q.SQL(), sqltext.Ident(r.owner)))
	}
	if r.t.rel.Column(r.owner) == nil || p.Missing(h) != "" {
		p.superuserStep(Step{ID: id, Group: GroupColumns, Table: q, Title: "add column " + r.owner,
			Needs: p.ifPlanned(stepID(GroupColumns, parent, r.ownerKey)),
			SQL:   append(sql, h.Create(p.c.Roles.Definer)...), Undo: append(undo, p.usageOf(parent.Schema)...),
			Lock: AccessExclusive, Hazards: []string{"SELECT * sees one more column"},
			Reason: "whose the row is that " + strings.Join(r.columns, ", ") + " names; a trigger fills it for every writer"})
	}
	own := sqltext.Ident(r.columns[0])
	b := &Backfill{Table: q, Column: r.owner, Set: fmt.Sprintf("(SELECT p.%s FROM %s p WHERE p.%s = c.%s)",
		sqltext.Ident(r.ownerKey), parent.SQL(), sqltext.Ident(r.refs[0]), own)}
	for _, leaf := range p.physical(r.t.rel) {
		b.Parts = append(b.Parts, Part{Table: leaf.QName(), Key: walked(leaf)})
	}
	p.add(Step{ID: stepID(GroupBackfill, q, r.owner), Group: GroupBackfill, Kind: KindBackfill, Table: q, Backfill: b,
		Data: true, Needs: p.ifPlanned(id), Title: "fill " + r.owner, SQL: []string{b.batchSQL(b.Parts[0], "…")},
		Lock: RowExclusive, Scans: true, Estimate: p.sizeOf(r.t.rel, 20_000),
		Hazards: []string{"each batch locks the rows it fills until it commits"}, Reason: "for the rows there are"})
	return []string{stepID(GroupBackfill, q, r.owner)}
}

// ownerConstraints plans the key itself, and what keeps the owner's column to those whose
// rows the tenant may mean. The old key goes last.
func (p *planner) ownerConstraints(r reach, needs []string) {
	q := r.t.rel.QName()
	owner, column := sqltext.Ident(r.owner), sqltext.Ident(r.columns[0])
	if id := p.unique(r.parent, append([]string{r.ownerKey}, r.refs...)); id != "" {
		needs = append(needs, id)
	}
	parent := fmt.Sprintf("FOREIGN KEY (%s, %s) REFERENCES %s (%s, %s)", owner, column, r.parent.rel.QName().SQL(),
		sqltext.Ident(r.ownerKey), sqltext.Ident(r.refs[0]))
	parent += onDelete(r.k)
	all := []string{p.constraint(r, r.checkName("fkey"), parent, p.strangers(r), needs),
		p.constraint(r, r.checkName("known"), fmt.Sprintf("CHECK ((%s IS NULL) = (%s IS NULL))", column, owner), nil,
			needs)}
	if r.nobody != "" {
		all = append(all, p.constraint(r, r.checkName("own_or_shared"), policy.OwnOrNobody(r.owner, r.t.column, r.nobody),
			nil, needs))
	} else {
		all = append(all, p.constraint(r, r.checkName("tree_fkey"), fmt.Sprintf("FOREIGN KEY (%s, %s) REFERENCES %s "+
			"(ancestor, tenant)", owner, sqltext.Ident(r.t.column), p.m.Shapes.Tree.Closure().SQL()), nil,
			append(needs, p.ifPlanned(stepID(GroupColumns, p.m.Tenants, "tree"))...)))
	}
	if slices.Contains(r.k.Columns, r.owner) {
		return // the team's key is the one wanted
	}
	all = without(all, "")
	p.add(Step{ID: stepID(GroupKeys, q, r.k.Name+"/drop"), Group: GroupKeys, Table: q, Needs: all,
		Title: "drop foreign key " + r.k.Name, Undo: p.restoreKey(r.t.rel, r.k), Lock: AccessExclusive,
		SQL:      []string{fmt.Sprintf("ALTER TABLE %s DROP CONSTRAINT IF EXISTS %s", q.SQL(), sqltext.Ident(r.k.Name))},
		Remember: []string{commentOnConstraint(q, r.k.Name)},
		Reason:   "the new key checks the same columns and whose they are"})
}

// constraint plans one constraint for new rows, then for those there are; it returns the
// last step's ID.
func (p *planner) constraint(r reach, name, definition string, check *Check, needs []string) string {
	q := r.t.rel.QName()
	add, valid := stepID(GroupKeys, q, name+"/add"), stepID(GroupKeys, q, name+"/validate")
	same := func(k catalog.Constraint) bool {
		return k.Name == name || k.Type == catalog.ForeignKey && strings.HasPrefix(k.ForeignKeySQL(), definition)
	}
	if slices.ContainsFunc(r.t.rel.Constraints, same) {
		return ""
	}
	p.add(Step{ID: add, Group: GroupKeys, Table: q, Needs: needs, Check: check, Data: check != nil,
		Title: "add constraint " + name + " for new rows",
		SQL: []string{fmt.Sprintf("ALTER TABLE %s ADD CONSTRAINT %s %s NOT VALID", q.SQL(), sqltext.Ident(name),
			definition)},
		Undo: []string{dropConstraint(q, name)}, Lock: ShareRowExclusive,
		Reason: "a row may name the tenant's own rows and those that it may read, and no others"})
	p.add(Step{ID: valid, Group: GroupKeys, Kind: KindValidate, Table: q, Needs: []string{add}, Data: true,
		Title: "validate constraint " + name + " for existing rows",
		SQL:   []string{fmt.Sprintf("ALTER TABLE %s VALIDATE CONSTRAINT %s", q.SQL(), sqltext.Ident(name))},
		Lock:  ShareUpdateExclusive, Scans: true, Estimate: p.sizeOf(r.t.rel, 500_000),
		Reason: "existing rows are checked while writers carry on"})
	return valid
}

// strangers finds rows that name a row of another tenant which theirs may not read.
func (p *planner) strangers(r reach) *Check {
	q, parent := r.t.rel.QName(), r.parent.rel.QName()
	if r.nobody == "" && p.m.Shapes.SharedRowsOf(parent) == nil && p.Relation(p.m.Shapes.Tree.Closure()) == nil {
		return nil // the key itself tells, once the tree is there
	}
	build := func(tenant, owner string) string {
		return fmt.Sprintf("c.%[1]s IS NOT NULL AND NOT EXISTS (SELECT FROM %[2]s p WHERE p.%[3]s = c.%[1]s AND (%[4]s))",
			sqltext.Ident(r.columns[0]), parent.SQL(), sqltext.Ident(r.refs[0]), p.mayName(r, tenant, owner))
	}
	cond := build("c."+sqltext.Ident(r.t.column), "p."+sqltext.Ident(r.parent.column))
	ck := &Check{ID: "crossing/" + key(q) + "/" + r.k.Name, Object: r.k.Name,
		What:  fmt.Sprintf("rows of %s whose %s refers to another tenant's row in %s", key(q), r.columns[0], key(parent)),
		Count: countWhere(q.SQL()+" c", cond), Sample: sample(r.t.rel, q.SQL()+" c", cond)}
	if r.t.open || r.parent.open {
		ahead := build(p.tenantAhead(r.t, "c"), p.tenantAhead(r.parent, "p"))
		ck.CountAhead, ck.SampleAhead = countWhere(q.SQL()+" c", ahead), sample(r.t.rel, q.SQL()+" c", ahead)
	}
	return ck
}

// mayName is the condition under which a row of a tenant may name one of an owner.
func (p *planner) mayName(r reach, tenant, owner string) string {
	switch x := p.m.Shapes.SharedRowsOf(r.parent.rel.QName()); {
	case x != nil && x.Sentinel == "":
		return fmt.Sprintf("%[1]s = %[2]s OR %[1]s IS NULL", owner, tenant)
	case x != nil:
		return fmt.Sprintf("%[1]s = %[2]s OR %[1]s = %[3]s", owner, tenant, r.nobody)
	}
	return fmt.Sprintf("EXISTS (SELECT FROM %s t WHERE t.ancestor = %s AND t.tenant = %s)",
		p.m.Shapes.Tree.Closure().SQL(), owner, tenant)
}
