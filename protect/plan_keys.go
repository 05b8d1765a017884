package protect

import (
	"fmt"
	"iter"
	"path"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/body"
	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/policy"
)

// keys plans (tenant, id) uniqueness and the foreign keys that carry the tenant. A
// foreign key check bypasses row-level security: without the tenant in it, one
// tenant's row can point at another's.
func (p *planner) keys() {
	for _, t := range p.tables {
		t.uniques = existingUniques(t.rel)
		if pk := t.rel.PrimaryKey(); pk != nil && t.class == catalog.TenantTable && p.referredTo(t) {
			p.unique(t, append([]string{t.column}, without(pk, t.column)...))
		}
	}
	for _, t := range p.tables {
		for _, k := range t.rel.Constraints {
			if k.Type == catalog.ForeignKey && !k.Inherited {
				p.foreignKey(t, k)
			}
		}
	}
	p.ownedKeys()
	// After the foreign keys: one that rests on a unique goes before it does.
	for _, t := range p.tables {
		if !p.sharesNow(t.rel) {
			p.globalUniques(t)
		}
		p.exclusions(t)
	}
	for _, t := range p.tables {
		p.askTied(t)
	}
	p.noteSurrogates()
}

// referredTo reports whether a table of tenants refers to t: only then is a key with the
// tenant in it needed.
func (p *planner) referredTo(t *table) bool {
	return slices.ContainsFunc(p.References(t.rel.QName()), func(ref catalog.Reference) bool {
		return p.byName[ref.From.QName()] != nil
	})
}

// existingUniques returns the column sets that a foreign key may point at.
func existingUniques(rel *catalog.Relation) [][]string {
	var sets [][]string
	for _, x := range rel.Indexes {
		if !x.Unique || !x.Valid || x.Predicate != "" || deferrable(rel, x) {
			continue
		}
		if cols := plainColumns(x); cols != nil {
			sets = append(sets, cols)
		}
	}
	return sets
}

func deferrable(rel *catalog.Relation, x catalog.Index) bool {
	return slices.ContainsFunc(rel.Constraints, func(k catalog.Constraint) bool {
		return k.Index == x.Name && k.Deferrable
	})
}

// plainColumns returns an index's key columns, nil when one is an expression.
func plainColumns(x catalog.Index) []string {
	cols := make([]string, len(x.Keys))
	for i, k := range x.Keys {
		if k.Column == "" {
			return nil
		}
		cols[i] = k.Column
	}
	return cols
}

func sameSet(a, b []string) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(a, b)
}

// unique plans a unique key over cols unless there is one over the same set. It
// returns the ID of the step that a foreign key to it needs.
func (p *planner) unique(t *table, cols []string) string {
	q := t.rel.QName()
	id := stepID(GroupKeys, q, "unique("+strings.Join(cols, ",")+")")
	if slices.ContainsFunc(t.uniques, func(u []string) bool { return sameSet(u, cols) }) {
		if p.planned(id) {
			return id
		}
		return ""
	}
	t.uniques = append(t.uniques, cols)
	b := indexBuild{group: GroupKeys, id: id, rel: t.rel, unique: true, keys: "(" + sqltext.Idents(cols) + ")",
		name:   p.indexName(t.rel, append(slices.Clone(cols), "key")),
		title:  "unique " + strings.Join(cols, ", "),
		reason: "foreign keys that include the tenant refer to it, and reads of one tenant use it"}
	p.buildIndex(b)
	return id
}

// uniqueName is the name that a key over the columns would get.
func uniqueName(rel *catalog.Relation, cols []string) string {
	return sqltext.Name(append([]string{rel.Name}, append(slices.Clone(cols), "key")...)...)
}

func (p *planner) planned(id string) bool {
	for _, steps := range p.steps {
		if slices.ContainsFunc(steps, func(s Step) bool { return s.ID == id }) {
			return true
		}
	}
	return false
}

// foreignKey plans the composite form of one foreign key between tables of
// tenants.
func (p *planner) foreignKey(t *table, k catalog.Constraint) {
	parent := p.byName[k.References]
	if parent == nil || p.pointsAtTenant(t, parent, k) || p.NamesOthers(t.rel, &k) {
		return
	}
	if p.ReachesFurther(k.References) {
		p.ownerKey(t, parent, k)
		return
	}
	pair := slices.Index(k.Columns, t.column)
	if also, _ := p.Unpaired(t.rel, &k); pair >= 0 && k.RefColumns[pair] == parent.column && len(also) == 0 {
		p.mendActions(t, parent, k)
		return
	}
	if slices.Equal(k.RefColumns, []string{parent.column}) {
		p.askKey(t, k, Decision{Question: fmt.Sprintf("%s may refer to another tenant in %s. Is that intended?",
			strings.Join(k.Columns, ", "), key(parent.rel.QName())),
			Why: "This foreign key refers to a tenant, but not with the tenant column: a row can name any tenant, and " +
				"thereby find out whether it exists.",
			SQL: []string{fmt.Sprintf("ALTER TABLE %s DROP CONSTRAINT %s", t.rel.QName().SQL(), sqltext.Ident(k.Name))}})
		return
	}
	why := p.cannotCarry(k)
	if why == "" && !sameFamily(t.typ, parent.typ) {
		why = fmt.Sprintf("The tenant column is %s here and %s in %s.", t.typ, parent.typ, key(parent.rel.QName()))
	}
	if why != "" {
		p.askKey(t, k, Decision{Question: "How should " + k.Name + " include the tenant?", Why: why + reaches(k),
			SQL: p.otherAction(t, k), Blocks: reaches(k) != ""})
		return
	}
	n := p.carrying(t, parent, k)
	if replaced := p.equivalent(t, n); replaced != nil {
		p.finishReplaced(n, replaced)
		return
	}
	n.needs = p.unique(parent, n.refs)
	p.composite(n)
}

// carrying is the form of k that carries the tenant. A key that compares the parent's
// tenant with another column of its own stays beside it: only k holds that column. Between
// rows of several parties it carries all of them.
func (p *planner) carrying(t, parent *table, k catalog.Constraint) newKey {
	n := newKey{table: t, parent: parent, old: k, columns: []string{t.column}, refs: []string{parent.column}}
	for i, c := range k.Columns {
		if k.RefColumns[i] == parent.column {
			n.beside = n.beside || c != t.column
			continue
		}
		n.columns, n.refs = append(n.columns, c), append(n.refs, k.RefColumns[i])
	}
	columns, refs := p.Unpaired(t.rel, &k)
	n.columns, n.refs = append(n.columns, columns...), append(n.refs, refs...)
	return n
}

// pointsAtTenant reports whether k is the tenant column's own key to the tenants
// table.
func (p *planner) pointsAtTenant(t, parent *table, k catalog.Constraint) bool {
	return parent != nil && parent.class == catalog.TenantsTable && slices.Equal(k.Columns, []string{t.column}) &&
		slices.Equal(k.RefColumns, []string{parent.column}) && t != parent
}

// sameFamily reports whether a foreign key may compare the two types.
func sameFamily(a, b string) bool {
	family := func(typ string) string {
		switch {
		case typ == "bigint" || typ == "integer" || typ == "smallint":
			return "integer"
		case typ == "text" || strings.HasPrefix(typ, "character varying"):
			return "text"
		}
		return typ
	}
	return family(a) == family(b)
}

// cannotCarry says why a foreign key has no composite form that acts the same.
func (p *planner) cannotCarry(k catalog.Constraint) string {
	sets := k.OnDelete == "set null" || k.OnDelete == "set default"
	switch {
	case sets && p.major() < 15:
		return "ON DELETE " + strings.ToUpper(k.OnDelete) +
			" of a key that includes the tenant would also clear the tenant column: a list of the columns to clear needs " +
			"PostgreSQL 15. Upgrade, or give the key another action and plan again."
	case k.OnUpdate == "set null" || k.OnUpdate == "set default":
		return "ON UPDATE " + strings.ToUpper(k.OnUpdate) + " of a composite key would also clear the tenant column."
	case k.MatchFull && len(k.Columns) > 1:
		return "MATCH FULL over several columns cannot work with a tenant column that is never NULL."
	}
	return ""
}

// mendActions looks at a key that carries the tenant already but whose action
// writes to the tenant column.
func (p *planner) mendActions(t, parent *table, k catalog.Constraint) {
	sets := k.OnDelete == "set null" || k.OnDelete == "set default"
	clears := sets && (len(k.SetColumns) == 0 || slices.Contains(k.SetColumns, t.column))
	if !clears {
		return
	}
	rest := without(k.Columns, t.column)
	if p.major() < 15 || len(rest) == 0 {
		p.askKey(t, k, Decision{
			Question: "Which action should " + k.Name + " have instead of ON DELETE " + strings.ToUpper(k.OnDelete) + "?",
			Why:      "It also clears the tenant column: deleting the parent leaves rows that belong to nobody.",
			SQL:      p.otherAction(t, k)})
		return
	}
	n := newKey{table: t, parent: parent, old: k, columns: k.Columns, refs: k.RefColumns}
	if replaced := p.equivalent(t, n); replaced != nil {
		p.finishReplaced(n, replaced)
		return
	}
	p.composite(n)
}

func without(list []string, x string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return s == x })
}

// globalUniques asks about uniques that hold across tenants, or replaces those
// that the configuration lists.
func (p *planner) globalUniques(t *table) {
	for x, full := range p.untenanted(t) {
		switch {
		case p.grows(t, x, full):
			p.tenantUnique(t, *x)
		case !p.tied(t, x):
			p.askUnique(t, *x, full)
		}
	}
}

func (p *planner) tied(t *table, x *catalog.Index) bool {
	return policy.Tied(t.rel, x, t.column, p.ties)
}

// grows reports whether the configuration lists a unique index to get the tenant.
func (p *planner) grows(t *table, x *catalog.Index, full string) bool {
	return slices.Contains(p.c.TenantLedUniques, full) ||
		p.allTenantLed(full) && !p.tied(t, x) && p.upserting(t, x) == ""
}

// grown is a table without the unique indexes that get the tenant: what they hold is then one
// within each tenant only, which its walls are to reckon with before.
func (p *planner) grown(rel *catalog.Relation) *catalog.Relation {
	t := p.byName[rel.QName()]
	if t == nil {
		return rel
	}
	var gone []string
	for x, full := range p.untenanted(t) {
		if p.grows(t, x, full) {
			gone = append(gone, x.Name)
		}
	}
	if gone == nil {
		return rel
	}
	grown := *rel
	grown.Indexes = slices.DeleteFunc(slices.Clone(rel.Indexes), func(x catalog.Index) bool {
		return slices.Contains(gone, x.Name)
	})
	return &grown
}

// sharesNow reports whether rows of a table are shared as this is planned, by policies that bind.
func (p *planner) sharesNow(rel *catalog.Relation) bool {
	return rel.RLS && p.m.Shapes.SharesOf(rel.QName()) != nil
}

// sharedUniques plans the unique keys of tables of which rows are shared already: after the walls,
// which until then show other tenants' rows of the same key.
func (p *planner) sharedUniques() {
	for _, t := range p.tables {
		if !p.sharesNow(t.rel) {
			continue
		}
		before := len(p.steps[GroupKeys])
		p.globalUniques(t)
		later := slices.Clone(p.steps[GroupKeys][before:])
		p.steps[GroupKeys] = p.steps[GroupKeys][:before]
		for _, s := range later {
			s.Group, s.Needs = GroupEnforce, append(s.Needs, p.ifPlanned(wallsStep(t.rel.QName()))...)
			p.add(s)
		}
	}
}

// untenanted are the unique indexes of a table that compare rows of several tenants, by
// values that somebody chooses, with their full names.
func (p *planner) untenanted(t *table) iter.Seq2[*catalog.Index, string] {
	return func(yield func(*catalog.Index, string) bool) {
		for x := range catalog.Each(t.rel.Indexes) {
			if !x.Unique || x.Inherited || hasKey(*x, t.column) || p.KeepsApart(t.rel, x) ||
				p.Surrogate(t.rel, x) || t.class == catalog.TenantsTable {
				continue
			}
			if !yield(x, key(t.rel.QName())+"."+x.Name) {
				return
			}
		}
	}
}

// ties reports whether a foreign key leads to a row of the same tenant, once the plan has
// run.
func (p *planner) ties(k *catalog.Constraint) bool {
	parent := p.byName[k.References]
	return parent != nil && parent.class == catalog.TenantTable && !p.ReachesFurther(k.References) &&
		p.cannotCarry(*k) == ""
}

// upserting names a function that inserts into t with ON CONFLICT over the columns of a key:
// it fails once the key has grown. "" when there is none.
func (p *planner) upserting(t *table, x *catalog.Index) string {
	for f := range catalog.Each(p.s.Functions) {
		if f.System || f.Extension != "" || f.Schema == Schema {
			continue
		}
		u := body.Scan(f)
		inserts := slices.ContainsFunc(u.Tables, func(use body.Table) bool {
			return use.Verb == "INSERT" && use.Name == t.rel.Name && (use.Schema == "" || use.Schema == t.rel.Schema)
		})
		if inserts && slices.ContainsFunc(u.Arbiters(), func(c []string) bool { return sameSet(c, x.Columns()) }) {
			return f.Signature()
		}
	}
	return ""
}

// allTenantLed reports whether a pattern of the configuration, one with a *, means a key.
func (p *planner) allTenantLed(full string) bool {
	return slices.ContainsFunc(p.c.TenantLedUniques, func(pattern string) bool {
		matches, err := path.Match(pattern, full)
		return err == nil && matches
	})
}

func (p *planner) askUnique(t *table, x catalog.Index, full string) {
	d := Decision{ID: "unique/" + full, Table: t.rel.QName(), Object: x.Name,
		Question: fmt.Sprintf("%s is unique across all tenants. May it be unique within each tenant instead?", x.Name),
		Why: "The duplicate-key error tells a tenant that another one has the value, and stops it from using that " +
			"value. Check that the application does not rely on global uniqueness.",
		Config: fmt.Sprintf("protect: {tenant_led_uniques: [%s]}", full)}
	if x.Primary {
		d.Question = fmt.Sprintf("Values of the primary key %s can be guessed. Add the tenant to it?", x.Name)
	}
	if f := p.upserting(t, &x); f != "" {
		d.Why += wouldFail(t, x, f)
	}
	p.decide(d)
}

func keyList(x catalog.Index) string {
	if cols := plainColumns(x); cols != nil {
		return sqltext.Idents(cols)
	}
	return "…"
}

func hasKey(x catalog.Index, col string) bool {
	return slices.ContainsFunc(x.Keys, func(k catalog.IndexKey) bool { return k.Column == col })
}

func (p *planner) exclusions(t *table) {
	for _, k := range t.rel.Constraints {
		if k.Type != catalog.Exclude || slices.Contains(k.Columns, t.column) {
			continue
		}
		def := strings.Replace(k.Definition, " (", fmt.Sprintf(" (%s WITH =, ", sqltext.Ident(t.column)), 1)
		p.decide(Decision{ID: "exclude/" + key(t.rel.QName()) + "." + k.Name, Table: t.rel.QName(), Object: k.Name,
			Question: fmt.Sprintf("%s applies across all tenants. Should it apply within each tenant instead?", k.Name),
			Why: "A conflict tells a tenant what another one has; with ranges it can be narrowed down. Building the " +
				"new constraint blocks writers, and a uuid column in it needs the extension btree_gist.",
			SQL: []string{"CREATE EXTENSION IF NOT EXISTS btree_gist",
				fmt.Sprintf("ALTER TABLE %s DROP CONSTRAINT %s, ADD CONSTRAINT %s %s",
					t.rel.QName().SQL(), sqltext.Ident(k.Name), sqltext.Ident(k.Name), def)}})
	}
}
