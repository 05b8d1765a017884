package protect

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

// newKey is a foreign key that carries the tenant, made from one that does not.
type newKey struct {
	table, parent *table
	old           catalog.Constraint
	columns, refs []string
	needs         string // the step that makes the parent's unique key
	beside        bool   // old says more than this key does, and stays
	theirs        bool   // the team made it: it keeps its name
	name          string
}

// equivalent finds a constraint of the table that is n already.
func (p *planner) equivalent(t *table, n newKey) *catalog.Constraint {
	for k := range catalog.Each(t.rel.Constraints) {
		if k.Type == catalog.ForeignKey && k.Name != n.old.Name && k.References == n.parent.rel.QName() &&
			slices.Equal(k.Columns, n.columns) && slices.Equal(k.RefColumns, n.refs) &&
			!slices.Contains(k.SetColumns, t.column) {
			return k
		}
	}
	return nil
}

// finishReplaced plans what is left when the composite key exists: its validation
// and the end of the key that it replaces.
func (p *planner) finishReplaced(n newKey, existing *catalog.Constraint) {
	n.name, n.theirs = existing.Name, existing.Name != p.begunName(n)
	if !existing.Validated {
		p.validateKey(n, n.table.rel, "")
	}
	p.dropOldKey(n)
}

// composite plans the new key: NOT VALID first, then its validation, then the end
// of the old one. A partitioned table knows no NOT VALID foreign key, so there each
// partition gets its own, and the parent's takes them over without a scan.
func (p *planner) composite(n newKey) {
	n.name = p.keyName(n)
	add := p.keyStep(n, "add")
	open := ""
	if n.table.open && p.m.Shapes.OwnedByOf(n.table.rel.QName()) == nil {
		open = notNullStep(n.table)
	}
	parts := p.physical(n.table.rel)
	if n.table.rel.Kind != catalog.PartitionedTable {
		p.addKey(n, n.table.rel, add, open, p.crossing(n))
		p.validateKey(n, n.table.rel, add)
		p.dropOldKey(n)
		return
	}
	check := p.crossing(n)
	for _, part := range parts {
		if k := part.Constraint(n.name); k == nil {
			p.addKey(n, part, stepID(GroupKeys, part.QName(), n.name+"/add"), open, check)
		}
		if k := part.Constraint(n.name); k == nil || !k.Validated {
			p.validateKey(n, part, stepID(GroupKeys, part.QName(), n.name+"/add"))
		}
		check = nil
		open = stepID(GroupKeys, part.QName(), n.name+"/validate")
	}
	p.addKeyToParent(n, add, open)
	p.dropOldKey(n)
}

func (p *planner) keyStep(n newKey, what string) string {
	return stepID(GroupKeys, n.table.rel.QName(), n.name+"/"+what)
}

// keyName follows PostgreSQL's own table_columns_fkey, with a mark where the key is to
// take over the old one's name.
func (p *planner) keyName(n newKey) string {
	return free(p.begunName(n), func(s string) bool {
		k := n.table.rel.Constraint(s)
		return k != nil || p.planned(stepID(GroupKeys, n.table.rel.QName(), s+"/add"))
	})
}

// begunName is the name that a run which was interrupted has given the key.
func (p *planner) begunName(n newKey) string {
	parts := append([]string{n.table.rel.Name}, n.columns...)
	if p.replaces(n) {
		parts = append(parts, ours)
	}
	return sqltext.Name(append(parts, "fkey")...)
}

func (p *planner) addKey(n newKey, rel *catalog.Relation, id, needs string, check *Check) {
	q := rel.QName()
	p.add(Step{ID: id, Group: GroupKeys, Table: q, Needs: needed(needs, n.needs), Check: check, Data: check != nil,
		Title: fmt.Sprintf("add foreign key %s → %s for new rows", strings.Join(n.columns, ", "),
			key(n.parent.rel.QName())),
		SQL: []string{fmt.Sprintf("ALTER TABLE %s ADD CONSTRAINT %s %s NOT VALID", q.SQL(), sqltext.Ident(n.name),
			n.definition())},
		Undo: []string{dropConstraint(q, n.name)},
		Lock: ShareRowExclusive, Hazards: n.hazards(),
		Reason: fmt.Sprintf("%s does not include the tenant: a row can refer to another tenant's row", n.old.Name)})
}

func (p *planner) addKeyToParent(n newKey, id, needs string) {
	q := n.table.rel.QName()
	p.add(Step{ID: id, Group: GroupKeys, Table: q, Needs: needed(needs),
		Title: fmt.Sprintf("add foreign key %s to the partitioned table", n.name),
		SQL:   []string{fmt.Sprintf("ALTER TABLE %s ADD CONSTRAINT %s %s", q.SQL(), sqltext.Ident(n.name), n.definition())},
		Undo:  []string{dropConstraint(q, n.name)}, Lock: ShareRowExclusive, Hazards: n.hazards(),
		Reason: "adopts the partitions' validated keys without a scan; new partitions inherit it"})
}

// dropConstraint leaves alone what has gone with a parent's constraint.
func dropConstraint(q catalog.QName, name string) string {
	return fmt.Sprintf("ALTER TABLE %s DROP CONSTRAINT IF EXISTS %s", q.SQL(), sqltext.Ident(name))
}

func (p *planner) validateKey(n newKey, rel *catalog.Relation, needs string) {
	p.add(Step{ID: stepID(GroupKeys, rel.QName(), n.name+"/validate"), Group: GroupKeys, Kind: KindValidate,
		Table: rel.QName(), Needs: needed(needs), Data: true,
		Title: fmt.Sprintf("validate foreign key %s for existing rows", n.name),
		SQL:   []string{fmt.Sprintf("ALTER TABLE %s VALIDATE CONSTRAINT %s", rel.QName().SQL(), sqltext.Ident(n.name))},
		Lock:  ShareUpdateExclusive, Scans: true, Estimate: p.sizeOf(rel, 500_000),
		Reason: "existing rows are checked while writers carry on"})
}

// replaces reports whether the old key goes.
func (p *planner) replaces(n newKey) bool {
	return !n.beside && (!p.c.KeepForeignKeys || slices.Contains(n.old.Columns, n.table.column))
}

func (n newKey) whyKept() string {
	if n.beside {
		return ": it holds a column that " + n.name + " does not"
	}
	return " (protect.keep_foreign_keys)"
}

// dropOldKey plans the end of the key that the composite one replaces, unless the
// configuration keeps it. The new key gets its name: an API embeds by it, and an
// application tells errors apart by it.
func (p *planner) dropOldKey(n newKey) {
	q := n.table.rel.QName()
	if !p.replaces(n) {
		p.note(key(q)+"."+n.old.Name, "kept beside "+n.name+n.whyKept())
		return
	}
	var rename, again []string
	if !n.theirs {
		rename = []string{renameConstraint(q, n.name, n.old.Name)}
		again = []string{dropConstraint(q, n.old.Name)} // by then the composite key's name
	}
	p.add(Step{ID: stepID(GroupKeys, q, n.old.Name+"/drop"), Group: GroupKeys, Table: q, Needs: needed(p.lastOf(n)),
		Title: "replace foreign key " + n.old.Name,
		SQL:   append([]string{dropConstraint(q, n.old.Name)}, rename...),
		Undo:  append(again, p.restoreKey(n.table.rel, n.old)...),
		Lock:  AccessExclusive, Remember: []string{commentOnConstraint(q, n.old.Name)},
		Reason: n.name + " checks the same columns and the tenant, and takes over the name"})
}

func renameConstraint(q catalog.QName, from, to string) string {
	return fmt.Sprintf("ALTER TABLE %s RENAME CONSTRAINT %s TO %s", q.SQL(), sqltext.Ident(from), sqltext.Ident(to))
}

func (p *planner) lastOf(n newKey) string {
	if n.table.rel.Kind == catalog.PartitionedTable {
		return p.keyStep(n, "add")
	}
	return p.keyStep(n, "validate")
}

// restoreKey puts a dropped foreign key back as it was, again without a scan under
// a lock: NOT VALID and VALIDATE, by partition where the table is partitioned.
func (p *planner) restoreKey(rel *catalog.Relation, k catalog.Constraint) []string {
	var undo []string
	one := func(r *catalog.Relation, name string, validate bool) {
		def := strings.TrimSuffix(k.Definition, " NOT VALID")
		undo = append(undo, fmt.Sprintf("ALTER TABLE %s ADD CONSTRAINT %s %s NOT VALID", r.QName().SQL(),
			sqltext.Ident(name), def))
		if validate {
			undo = append(undo, fmt.Sprintf("ALTER TABLE %s VALIDATE CONSTRAINT %s", r.QName().SQL(), sqltext.Ident(name)))
		}
	}
	if rel.Kind != catalog.PartitionedTable {
		one(rel, k.Name, k.Validated)
		return undo
	}
	for _, part := range p.physical(rel) {
		one(part, inheritedName(part, k), true)
	}
	return append(undo, fmt.Sprintf("ALTER TABLE %s ADD CONSTRAINT %s %s", rel.QName().SQL(), sqltext.Ident(k.Name),
		k.Definition))
}

// inheritedName is the name a partition has for its copy of the parent's key.
func inheritedName(part *catalog.Relation, k catalog.Constraint) string {
	for _, own := range part.Constraints {
		if own.Inherited && own.Type == k.Type && own.References == k.References && slices.Equal(own.Columns, k.Columns) {
			return own.Name
		}
	}
	return k.Name
}

// definition renders the constraint. Actions are the old key's, but for two: SET
// NULL and SET DEFAULT name their columns, so that the tenant stays, and an ON
// UPDATE action is not kept, because it would move rows with a tenant.
func (n newKey) definition() string {
	k := n.old
	k.Columns, k.References, k.RefColumns = n.columns, n.parent.rel.QName(), n.refs
	if k.OnDelete == "set null" || k.OnDelete == "set default" {
		if len(k.SetColumns) == 0 {
			k.SetColumns = n.old.Columns
		}
		k.SetColumns = slices.DeleteFunc(slices.Clone(k.SetColumns), func(c string) bool {
			return c == n.table.column || !slices.Contains(n.columns, c)
		})
	}
	if k.OnUpdate != "restrict" {
		k.OnUpdate = ""
	}
	return k.ForeignKeySQL()
}

func (n newKey) hazards() []string {
	if n.old.OnUpdate == "cascade" {
		return []string{"ON UPDATE CASCADE is dropped: it would move rows from one tenant to another"}
	}
	return nil
}

// crossing is the check for rows that the new key would refuse: those whose parent
// belongs to another tenant, or to none.
func (p *planner) crossing(n newKey) *Check {
	q, parent := n.table.rel.QName(), n.parent.rel.QName()
	build := func(childTenant, parentTenant string) string {
		conds := []string{}
		match := []string{parentTenant + " = " + childTenant}
		for i, c := range n.columns {
			if c == n.table.column {
				continue
			}
			conds = append(conds, "c."+sqltext.Ident(c)+" IS NOT NULL")
			match = append(match, fmt.Sprintf("p.%s = c.%s", sqltext.Ident(n.refs[i]), sqltext.Ident(c)))
		}
		return strings.Join(conds, " AND ") + fmt.Sprintf(" AND NOT EXISTS (SELECT FROM %s p WHERE %s)", parent.SQL(),
			strings.Join(match, " AND "))
	}
	cond := build("c."+sqltext.Ident(n.table.column), "p."+sqltext.Ident(n.parent.column))
	ck := &Check{ID: "crossing/" + key(q) + "/" + n.old.Name, Object: n.old.Name,
		What: fmt.Sprintf("rows of %s whose %s refers to another tenant's row in %s", key(q),
			strings.Join(n.old.Columns, ", "), key(parent)),
		Count: countWhere(q.SQL()+" c", cond), Sample: sample(n.table.rel, q.SQL()+" c", cond)}
	if n.table.open || n.parent.open {
		ahead := build(p.tenantAhead(n.table, "c"), p.tenantAhead(n.parent, "p"))
		ck.CountAhead, ck.SampleAhead = countWhere(q.SQL()+" c", ahead), sample(n.table.rel, q.SQL()+" c", ahead)
	}
	return ck
}

// commentOnConstraint is a query for the statement that restores a comment.
func commentOnConstraint(q catalog.QName, constraint string) string {
	return fmt.Sprintf("SELECT format('COMMENT ON CONSTRAINT %%I ON %%s IS %%L', k.conname, %s, d.description) FROM "+
		"pg_catalog.pg_constraint k "+
		"JOIN pg_catalog.pg_description d ON d.objoid = k.oid AND d.classoid = 'pg_catalog.pg_constraint'::regclass "+
		"WHERE k.conrelid = %s::regclass AND k.conname = %s",
		sqltext.Literal(q.SQL()), sqltext.Literal(q.SQL()), sqltext.Literal(constraint))
}
