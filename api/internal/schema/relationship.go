package schema

import (
	"cmp"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
)

// Cardinality says how many rows of the target go with one of the source.
type Cardinality string

// The cardinalities, as PostgREST names them.
const (
	ManyToOne  Cardinality = "many-to-one"
	OneToMany  Cardinality = "one-to-many"
	OneToOne   Cardinality = "one-to-one"
	ManyToMany Cardinality = "many-to-many"
)

// Relationship is a way from a table to another.
type Relationship struct {
	Source, Target *Table
	Cardinality    Cardinality
	// Constraint is the foreign key's name; for many-to-many that of the source's.
	Constraint string
	// Columns of the source join TargetColumns of the target.
	Columns, TargetColumns []string
	// Junction is the table between, for many-to-many: JunctionSource joins Columns,
	// JunctionTarget joins TargetColumns.
	Junction                       *Table
	JunctionSource, JunctionTarget []string
	TargetConstraint               string
	// Function computes the target's rows from the source's row.
	Function *Function
	// fromKey is true when the source holds the foreign key.
	fromKey bool
	// plainName is what PostgreSQL would have called a foreign key over the one column
	// in addition to the tenant column. Protecting a table replaces that key by the one with the
	// tenant, and clients may still use its name as a hint.
	plainName string
}

// ToOne reports whether there is at most one target row.
func (r *Relationship) ToOne() bool { return r.Cardinality == ManyToOne || r.Cardinality == OneToOne }

// foreignKey is one constraint with both tables exposed.
type foreignKey struct {
	name                string
	from, to            *Table
	columns, references []string
	unique              bool
}

func (b *builder) relationships() {
	b.findViews()
	keys := b.foreignKeys()
	for _, k := range keys {
		b.direct(k)
	}
	for _, first := range keys {
		for _, second := range keys {
			if first.from == second.from && first.name != second.name {
				b.junction(first, second)
			}
		}
	}
}

// direct adds the two directions of a foreign key.
func (b *builder) direct(k foreignKey) {
	there, back := ManyToOne, OneToMany
	if k.unique {
		there, back = OneToOne, OneToOne
	}
	plain := ""
	if column := single(k.columns, k.from.TenantColumn); column != "" {
		plain = k.from.Name.Name + "_" + column + "_fkey"
	}
	b.relate(&Relationship{Source: k.from, Target: k.to, Cardinality: there, Constraint: k.name,
		Columns: k.columns, TargetColumns: k.references, fromKey: true, plainName: plain})
	b.relate(&Relationship{Source: k.to, Target: k.from, Cardinality: back, Constraint: k.name,
		Columns: k.references, TargetColumns: k.columns, plainName: plain})
}

func (b *builder) relate(r *Relationship) {
	b.schema.related[r.Source.Name] = append(b.schema.related[r.Source.Name], r)
}

// junction adds many-to-many through a table whose primary key holds both foreign
// keys. A key that says nothing but the tenant does not make one: every table of the
// tenant would be joined to every other.
func (b *builder) junction(first, second foreignKey) {
	table := first.from
	if b.tenantOnly(first) || b.tenantOnly(second) {
		return
	}
	for _, name := range append(slices.Clone(first.columns), second.columns...) {
		// The tenant column may have joined the foreign keys and not the key.
		if name != table.TenantColumn && !slices.Contains(table.locators(), name) {
			return
		}
	}
	b.relate(&Relationship{
		Source: first.to, Target: second.to, Cardinality: ManyToMany,
		Constraint: first.name, TargetConstraint: second.name, Junction: table,
		Columns: first.references, JunctionSource: first.columns,
		JunctionTarget: second.columns, TargetColumns: second.references,
	})
}

func (b *builder) tenantOnly(k foreignKey) bool {
	return len(k.columns) == 1 && k.columns[0] == k.from.TenantColumn
}

// foreignKeys are those between exposed tables, and those that views show.
func (b *builder) foreignKeys() []foreignKey {
	var keys []foreignKey
	for r := range catalog.Each(b.Snapshot.Relations) {
		if r.Partition {
			continue
		}
		for _, c := range r.Constraints {
			if c.Type != catalog.ForeignKey {
				continue
			}
			for _, from := range b.standIns(r, c.Columns) {
				for _, to := range b.standIns(b.Relation(c.References), c.RefColumns) {
					if k := join(from, to); len(k.columns) > 0 {
						k.name, k.unique = c.Name, b.isUnique(r, c.Columns)
						keys = append(keys, k)
					}
				}
			}
		}
	}
	return shortest(keys)
}

// join is the foreign key between two tables by their own names for its columns. The
// tenant column is left out where a view does not show it: its rows are those of one
// tenant anyway. Where they are not there is no foreign key: ids repeat between tenants.
func join(from, to standIn) foreignKey {
	k := foreignKey{from: from.table, to: to.table}
	for i, name := range from.columns {
		if other := to.columns[i]; name != "" && other != "" {
			k.columns, k.references = append(k.columns, name), append(k.references, other)
		} else if from.table.Mixed || to.table.Mixed {
			return foreignKey{}
		}
	}
	return k
}

// shortest drops a foreign key that a longer one between the same tables contains:
// protect adds (tenant_id, lead_id) in addition to (lead_id), and they mean the same.
func shortest(keys []foreignKey) []foreignKey {
	covered := func(k foreignKey) bool {
		return slices.ContainsFunc(keys, func(o foreignKey) bool {
			if o.from != k.from || o.to != k.to || len(o.columns) <= len(k.columns) {
				return false
			}
			for i, c := range k.columns {
				j := slices.Index(o.columns, c)
				if j < 0 || o.references[j] != k.references[i] {
					return false
				}
			}
			return true
		})
	}
	return slices.DeleteFunc(slices.Clone(keys), covered)
}

// isUnique reports whether the columns hold a unique key of the table, so that the
// other side has one row at most.
func (b *builder) isUnique(r *catalog.Relation, columns []string) bool {
	within := func(key []string) bool {
		return len(key) > 0 && !slices.ContainsFunc(key, func(k string) bool { return !slices.Contains(columns, k) })
	}
	for _, c := range r.Constraints {
		if (c.Type == catalog.PrimaryKey || c.Type == catalog.Unique) && within(c.Columns) {
			return true
		}
	}
	return slices.ContainsFunc(r.Indexes, func(i catalog.Index) bool { return within(plainUnique(i)) })
}

// computedRelationship makes a function from a row to rows of a table an embed.
func computedRelationship(f *Function) []*Relationship {
	if f.Table == nil {
		return nil
	}
	r := &Relationship{Source: f.rowArgument, Target: f.Table, Function: f, Constraint: f.Name.Name}
	r.Cardinality = OneToMany
	if !f.Set || f.OneRow { // ROWS 1 says that it is to-one, as in PostgREST
		r.Cardinality = ManyToOne
	}
	return []*Relationship{r}
}

// Relationships returns the ways from a table to a target named in a request: by
// table, foreign key or column, narrowed by a hint.
func (s *Schema) Relationships(from *Table, target, hint string) []*Relationship {
	var found []*Relationship
	for _, r := range s.related[from.Name] {
		if r.Function != nil {
			if r.Function.Name.Name == target {
				return []*Relationship{r} // computed relationships override the others
			}
			continue
		}
		if r.Target.Schema == from.Schema && r.names(target, hint, from.TenantColumn) {
			found = append(found, r)
		}
	}
	// The way through a junction back to the table itself wants a hint where there is a
	// foreign key to itself.
	own := func(r *Relationship) bool { return r.Source == r.Target && r.Junction == nil }
	if hint == "" && slices.ContainsFunc(found, own) {
		found = slices.DeleteFunc(found, func(r *Relationship) bool { return r.Source == r.Target && r.Junction != nil })
	}
	// One junction that is a table goes before the views over it.
	overView := func(r *Relationship) bool { return r.Junction != nil && r.Junction.View }
	tables := slices.DeleteFunc(slices.Clone(found), overView)
	if hint == "" && len(tables) == 1 && tables[0].Junction != nil {
		return tables
	}
	slices.SortFunc(found, (*Relationship).compare)
	return found
}

// compare orders relationships as PostgREST lists them where a request could mean several.
func (r *Relationship) compare(o *Relationship) int {
	rank := []Cardinality{OneToMany, ManyToOne, OneToOne, ManyToMany}
	return cmp.Or(strings.Compare(r.Target.Name.Name, o.Target.Name.Name),
		slices.Index(rank, r.Cardinality)-slices.Index(rank, o.Cardinality),
		strings.Compare(r.junctionName(), o.junctionName()), strings.Compare(r.Constraint, o.Constraint),
		slices.Compare(r.Columns, o.Columns), slices.Compare(r.TargetColumns, o.TargetColumns))
}

func (r *Relationship) junctionName() string {
	if r.Junction == nil {
		return ""
	}
	return r.Junction.Name.Name
}

// names reports whether target and hint mean this relationship.
func (r *Relationship) names(target, hint, tenant string) bool {
	if r.Source == r.Target && r.Cardinality != ManyToMany {
		return r.namesSelf(target, hint, tenant)
	}
	// The name of a foreign key or a column means the table, not the views over it.
	byKey := r.Cardinality != ManyToMany && !r.Target.View &&
		(r.isKey(target) || single(r.Columns, tenant) == target && target != "")
	if target != r.Target.Name.Name && !byKey {
		return false
	}
	if hint == "" {
		return true
	}
	if r.Cardinality == ManyToMany {
		return hint == r.Junction.Name.Name || hint == r.Constraint || hint == r.TargetConstraint
	}
	return r.isKey(hint) || hint == single(r.Columns, tenant) || hint == single(r.TargetColumns, tenant)
}

// namesSelf is names for a foreign key of a table to itself, which is one way there and
// another back. As in PostgREST the table's name means the rows that refer to this one,
// the column's the row that this one refers to.
func (r *Relationship) namesSelf(target, hint, tenant string) bool {
	if r.fromKey {
		return hint == "" && target == single(r.Columns, tenant) && target != ""
	}
	return target == r.Target.Name.Name && (hint == "" || r.isKey(hint) || hint == single(r.TargetColumns, tenant))
}

// isKey reports whether a name is that of the foreign key.
func (r *Relationship) isKey(name string) bool { return name == r.Constraint || name == r.plainName }

// single returns the only column of a key other than the tenant column, or "".
func single(columns []string, tenant string) string {
	if len(columns) == 1 {
		return columns[0]
	}
	left := slices.DeleteFunc(slices.Clone(columns), func(c string) bool { return c == tenant })
	if len(left) == 1 {
		return left[0]
	}
	return ""
}

// TargetNames returns what can be embedded in a table, for hints.
func (s *Schema) TargetNames(from *Table) []string {
	var names []string
	for _, r := range s.related[from.Name] {
		name := r.Target.Name.Name
		if r.Function != nil {
			name = r.Function.Name.Name
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// RelationshipsOf returns the relationships of a table.
func (s *Schema) RelationshipsOf(t *Table) []*Relationship { return s.related[t.Name] }

// Describe says in PostgREST's words what the relationship joins.
func (r *Relationship) Describe() string {
	list := func(t *Table, columns []string) string {
		return t.Name.Name + "(" + strings.Join(columns, ", ") + ")"
	}
	if r.Cardinality == ManyToMany {
		return r.Junction.Name.Name + " using " + r.Constraint + "(" + strings.Join(r.JunctionSource, ", ") + ") and " +
			r.TargetConstraint + "(" + strings.Join(r.JunctionTarget, ", ") + ")"
	}
	return r.Constraint + " using " + list(r.Source, r.Columns) + " and " + list(r.Target, r.TargetColumns)
}
