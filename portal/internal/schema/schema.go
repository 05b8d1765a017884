// Package schema says what the portal shows of a database: which tables and columns,
// what each is called, which values it takes and how they are asked for. It reads a
// catalog and never the database itself.
package schema

import (
	"cmp"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/internal/serving"
	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/policy"
	"github.com/moat-db/moat/portal/internal/frame"
	"github.com/moat-db/moat/portal/internal/text"
)

// Schema is what the portal shows of a database: the tables that row-level security
// protects and the application role may read.
type Schema struct {
	*policy.View // what it was made of
	Tables       []*Table
	Check        *serving.Check
	Tenants      *serving.Tenants
	// Below is what a tenant sees of itself and those below it together; nil where there is
	// no tree.
	Below *Below
	// Unknown is what the configuration names and the portal does not show.
	Unknown []string
}

// Below is a Schema of a tenant and those below it: for reading, and without a row's page.
type Below struct {
	Tables  []*Table
	Tenants *serving.Tenants
}

// Shown returns the table of that name, or the first.
func (b *Below) Shown(name catalog.QName) *Table {
	for _, t := range b.Tables {
		if t.Name == name {
			return t
		}
	}
	if len(b.Tables) == 0 {
		return nil
	}
	return b.Tables[0]
}

// Table is one table of the portal.
type Table struct {
	Name            catalog.QName
	Slug            string
	Title, Singular string
	Comment         string
	Tenant          string // tenant column; "" for a shared table
	Shared          bool
	// Mixed tables show rows of other tenants as well: only a tenant's own can be opened.
	Mixed bool
	// Closed tables are listed, and their rows have no page: people, of whom a role may read
	// some columns only.
	Closed bool
	// Wide tables are those of a tenant and those below it; Suspended is the SQL of an
	// array of those that are left out.
	Wide      bool
	Suspended string
	// Log tables record what was done, and are read only. Settings have the tenant as their key:
	// one row, that is edited as a page. Link tables have nothing but references in their key.
	Log, Settings, Link bool
	// Views are named queries, in the order of their names.
	Views             []NamedView
	Columns           []*Column
	Key               []*Column // primary key without the tenant column
	Label             *Column   // what a row is called
	Created           *Column   // when a row came into being
	Status, Source    *Column   // the two best lists of values
	Amount            *Column
	Children          []Child
	MayAdd, MayChange bool
	MayDelete         bool
	place             int
	lacks             bool                // a column that must be given a value, and is not shown
	Rows              float64             // estimate; -1 unknown
	Constraints       map[string][]string // the columns of each constraint and unique index
}

// NamedView is a list that has a name.
type NamedView struct{ Name, Query string }

// Child is a table whose rows point at this one's.
type Child struct {
	Table  *Table
	Column *Column
	Goes   bool // its rows are deleted with the one that they point at
}

// Said is what the configuration says of tables and columns.
type Said struct {
	// Shown is how tables are shown.
	Shown map[catalog.QName]Shown
	// Money says which columns hold money, and of which currency.
	Money map[string]string
}

// Build makes the portal's view of what clients reach.
func Build(x *serving.Exposure, check *serving.Check, said Said) *Schema {
	b := &builder{Exposure: x, shown: said.Shown, types: map[catalog.QName]*catalog.Type{},
		byName: map[catalog.QName]*Table{}}
	b.addAll()
	b.references()
	b.dropLoose()
	unknown := priced(b.tables, said.Money)
	b.sort()
	return &Schema{View: x.View, Tables: b.tables, Check: check, Tenants: check.Tenants, Unknown: unknown}
}

// BuildBelow makes what the role that the tree is read by may reach.
func BuildBelow(below *serving.Below, said Said) *Below {
	b := &builder{Exposure: below.Exposure, below: below, shown: said.Shown, types: map[catalog.QName]*catalog.Type{},
		byName: map[catalog.QName]*Table{}}
	b.addAll()
	for _, t := range b.tables {
		t.Key, t.MayAdd, t.MayChange, t.MayDelete, t.Wide, t.Suspended = nil, false, false, false, true, below.Suspended
		for _, c := range t.Columns {
			c.MaySet, c.MayChange = false, false
		}
	}
	priced(b.tables, said.Money) // what fits nothing was said of one tenant's tables
	b.sort()
	return &Below{Tables: b.tables, Tenants: below.List}
}

func (b *builder) addAll() {
	for t := range catalog.Each(b.Snapshot.Types) {
		b.types[catalog.QName{Schema: t.Schema, Name: t.Name}] = t
	}
	for i := range b.Snapshot.Relations {
		b.add(&b.Snapshot.Relations[i])
	}
	b.slugs()
}

func (b *builder) sort() {
	for _, t := range b.tables {
		t.choose()
	}
	slices.SortFunc(b.tables, func(a, b *Table) int {
		return cmp.Or(cmp.Compare(a.place, b.place), cmp.Compare(b.weight(), a.weight()), cmp.Compare(a.Title, b.Title))
	})
}

// weight orders tables for the navigation: what moves through a pipeline first, then
// what has a name and a date of its own, and at last what only hangs on another.
func (t *Table) weight() int {
	w := 0
	if !t.Shared {
		w += 100
	}
	if t.Status != nil {
		w += 10
	}
	if t.Amount != nil {
		w += 4
	}
	if t.Label != nil && t.Label.Kind == KindText && !strings.Contains(t.Label.Name, "kind") {
		w += 10
	}
	if t.Created != nil {
		w += 5
	}
	if isLog(t.Name.Name) { // what was done says little of how things are
		w -= 50
	}
	return w
}

// GoWith are the tables whose rows are deleted with a row of this one, for people.
func (t *Table) GoWith() []string {
	return list.Pick(t.Children, func(c Child) (string, bool) { return text.Lower(c.Table.Title), c.Goes })
}

// Find returns the table with the slug, nil where there is none.
func (s *Schema) Find(slug string) *Table {
	return s.first(func(t *Table) bool { return t.Slug == slug })
}

// Shown returns the table of that name, nil where the portal does not show it.
func (s *Schema) Shown(name catalog.QName) *Table {
	return s.first(func(t *Table) bool { return t.Name == name })
}

// Led says whether an index begins with a table's tenant column and the column.
func (s *Schema) Led(t *Table, c *Column) bool {
	return slices.ContainsFunc(s.Relation(t.Name).Indexes, func(x catalog.Index) bool {
		return x.Valid && x.Predicate == "" && len(x.Keys) > 1 && x.Keys[0].Column == t.Tenant && x.Keys[1].Column == c.Name
	})
}

// Main is the table that the dashboard is about unless another is asked for.
func (s *Schema) Main() *Table {
	return s.first(func(t *Table) bool { return !t.Shared })
}

func (s *Schema) first(fit func(*Table) bool) *Table {
	if i := slices.IndexFunc(s.Tables, fit); i >= 0 {
		return s.Tables[i]
	}
	return nil
}

// SQL is the table's quoted name.
func (t *Table) SQL() string { return t.Name.SQL() }

// Readable are the columns that the portal asks for: the role may not be allowed others.
func (t *Table) Readable(alias string) string {
	columns := make([]string, 0, len(t.Columns)+1)
	columns = append(columns, list.Map(t.Columns, func(c *Column) string { return alias + "." + c.SQL() })...)
	if t.Tenant != "" && t.Column(t.Tenant) == nil {
		columns = append(columns, alias+"."+sqltext.Ident(t.Tenant))
	}
	return strings.Join(columns, ", ")
}

// Path is the table's page.
func (t *Table) Path() string { return frame.Base + "/t/" + url.PathEscape(t.Slug) }

// Column returns the column with the name, nil when the portal does not show it.
func (t *Table) Column(name string) *Column {
	for _, c := range t.Columns {
		if c.Name == name {
			return c
		}
	}
	return nil
}

type builder struct {
	*serving.Exposure
	below  *serving.Below // nil for one tenant
	shown  map[catalog.QName]Shown
	types  map[catalog.QName]*catalog.Type
	tables []*Table
	byName map[catalog.QName]*Table
}

// add takes a relation in when it is a table that is safe to show and readable.
func (b *builder) add(r *catalog.Relation) {
	class := b.Class(r.QName())
	help, said := comment(r.Comment)
	look := b.shown[r.QName()].Look.over(said)
	if !isTable(r) || look.Hidden || !b.Uses(r.Schema) || b.Hidden(r) != "" || !b.safe(r, class) {
		return
	}
	t := &Table{
		Name: r.QName(), Title: cmp.Or(look.Name, text.Name(r.Name)), Comment: help, place: look.place(),
		Log: isLog(r.Name), Views: b.views(r.QName()),
		Shared: class == catalog.SharedTable, Mixed: b.Model.Shapes.Mixed(r.QName()), Rows: r.Estimate.Rows,
	}
	t.Singular = cmp.Or(b.shown[r.QName()].Singular, text.Singular(t.Title))
	if class == catalog.TenantTable {
		t.Tenant = b.Table(r.QName()).Column
	}
	b.columns(t, r)
	if len(t.Columns) == 0 {
		return
	}
	t.Closed = class == catalog.PeopleTable
	fixed := t.Closed || t.Log || look.ReadOnly
	if fixed { // people are somebody, and not only this tenant's to change
		for _, c := range t.Columns {
			c.MaySet, c.MayChange = false, false
		}
	}
	t.MayAdd, t.MayChange = t.may(b.May(r, "INSERT") && !fixed)
	t.MayDelete = b.May(r, "DELETE") && !fixed && !t.Shared && len(t.Key) > 0
	b.tables, b.byName[t.Name] = append(b.tables, t), t
}

func (b *builder) views(name catalog.QName) []NamedView {
	return list.Map(slices.Sorted(maps.Keys(b.shown[name].Views)), func(view string) NamedView {
		return NamedView{view, b.shown[name].Views[view]}
	})
}

func isTable(r *catalog.Relation) bool {
	return (r.Kind == catalog.Table || r.Kind == catalog.PartitionedTable) && !r.Partition && r.Extension == "" &&
		r.Schema != "moat"
}

// safe says whether a client is shown no row of another: a table with the tenant column
// is asked with the tenant's predicate as well; one without it, or with rows of several
// tenants, is shown only when its policies alone are known to isolate.
func (b *builder) safe(r *catalog.Relation, class catalog.Class) bool {
	if b.below != nil {
		return class == catalog.TenantTable && b.below.HiddenBelow(r, b.Table(r.QName()).Column) == ""
	}
	switch class {
	case catalog.TenantTable:
		return !b.Model.Shapes.Mixed(r.QName()) || b.Isolated(r)
	case catalog.ChildTable, catalog.PeopleTable:
		return b.Isolated(r)
	}
	return class == catalog.SharedTable
}

// slugs gives each table a name of its own in the address: the bare one where it is
// the only one.
func (b *builder) slugs() {
	count := map[string]int{}
	for _, t := range b.tables {
		count[t.Name.Name]++
	}
	for _, t := range b.tables {
		t.Slug = t.Name.Name
		if count[t.Slug] > 1 {
			t.Slug = t.Name.String()
			t.Title += " (" + t.Name.Schema + ")"
		}
	}
}

// references follows the foreign keys between the tables shown.
func (b *builder) references() {
	for _, from := range b.tables {
		for _, k := range b.Relation(from.Name).Constraints {
			if to := b.byName[k.References]; k.Type == catalog.ForeignKey && to != nil {
				refer(from, to, k)
			}
		}
	}
	for _, t := range b.tables {
		loose := func(c *Column) bool { return c.Ref == nil }
		t.Link = len(t.Key) > 1 && !slices.ContainsFunc(t.Key, loose)
	}
}

// dropLoose leaves out shared tables that no protected table points at: that a table
// has no tenant column and is only read may be a wish, and not what it is.
func (b *builder) dropLoose() {
	referenced := map[catalog.QName]bool{}
	for _, t := range b.tables {
		if t.Shared {
			continue
		}
		for _, k := range b.Relation(t.Name).Constraints {
			referenced[k.References] = true
		}
	}
	b.tables = slices.DeleteFunc(b.tables, func(t *Table) bool { return t.Shared && !referenced[t.Name] })
}

// refer takes a foreign key of one column, beside the tenant column, that points at
// the whole key of the other table.
func refer(from, to *Table, k catalog.Constraint) {
	var column, target string
	for i, name := range k.Columns {
		if i < len(k.RefColumns) && name != from.Tenant {
			if column != "" {
				return
			}
			column, target = name, k.RefColumns[i]
		}
	}
	c := from.Column(column)
	if c == nil || c.Ref != nil || len(to.Key) != 1 || to.Key[0].Name != target {
		return
	}
	c.Ref = to
	if !c.Named {
		c.Title = strings.TrimSuffix(strings.TrimSuffix(c.Title, " ID"), " id")
	}
	to.Children = append(to.Children, Child{from, c, k.OnDelete == "cascade"})
}
