package portal

import (
	"cmp"
	"net/url"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/serving"
	"github.com/moat-db/moat/policy"
)

// schema is what the portal shows of a database: the tables that row-level security
// protects and the application role may read.
type schema struct {
	read     *policy.View // what it was made of
	snapshot *catalog.Snapshot
	model    *catalog.Model
	tables   []*table
	check    *serving.Check
	tenants  *serving.Tenants
}

// table is one table of the portal.
type table struct {
	Name              catalog.QName
	Slug              string
	Title, Singular   string
	Comment           string
	Tenant            string // tenant column; "" for a shared table
	Shared            bool
	Columns           []*column
	Key               []*column // primary key without the tenant column
	Label             *column   // what a row is called
	Created           *column   // when a row came into being
	Status, Source    *column   // the two best lists of values
	Amount            *column
	Children          []child
	MayAdd, MayChange bool
	Rows              float64 // estimate; -1 unknown
	constraints       map[string][]string
}

// child is a table whose rows point at this one's.
type child struct {
	Table  *table
	Column *column
}

// build makes the portal's view of what the role that read the catalog may reach.
func build(v *policy.View, check *serving.Check) *schema {
	out := &schema{read: v, snapshot: v.Snapshot, model: v.Model, check: check, tenants: check.Tenants}
	b := &builder{Exposure: serving.Expose(v), out: out}
	for i := range v.Snapshot.Relations {
		b.add(&v.Snapshot.Relations[i])
	}
	b.slugs()
	b.references()
	b.dropLoose()
	for _, t := range b.out.tables {
		t.choose()
	}
	slices.SortFunc(b.out.tables, func(a, b *table) int {
		return cmp.Or(cmp.Compare(b.weight(), a.weight()), cmp.Compare(a.Title, b.Title))
	})
	return b.out
}

// weight orders tables for the navigation: what moves through a pipeline first, then
// what has a name and a date of its own, and at last what only hangs on another.
func (t *table) weight() int {
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
	if t.Label != nil && t.Label.kind == kindText && !strings.Contains(t.Label.Name, "kind") {
		w += 10
	}
	if t.Created != nil {
		w += 5
	}
	return w
}

// find returns the table with the slug.
func (s *schema) find(slug string) (*table, bool) {
	i := slices.IndexFunc(s.tables, func(t *table) bool { return t.Slug == slug })
	if i < 0 {
		return nil, false
	}
	return s.tables[i], true
}

func (s *schema) byName(q catalog.QName) *table {
	for _, t := range s.tables {
		if t.Name == q {
			return t
		}
	}
	return nil
}

// main is the table that the dashboard is about unless another is asked for.
func (s *schema) main() *table {
	for _, t := range s.tables {
		if !t.Shared {
			return t
		}
	}
	return nil
}

// SQL is the table's quoted name.
func (t *table) SQL() string { return pgx.Identifier{t.Name.Schema, t.Name.Name}.Sanitize() }

// Path is the table's page.
func (t *table) Path() string { return base + "/t/" + url.PathEscape(t.Slug) }

// Column returns the column with the name, nil when the portal does not show it.
func (t *table) Column(name string) *column {
	for _, c := range t.Columns {
		if c.Name == name {
			return c
		}
	}
	return nil
}

type builder struct {
	*serving.Exposure
	out *schema
}

// add takes a relation in when it is a table that is safe to show and readable.
func (b *builder) add(r *catalog.Relation) {
	isTable := r.Kind == catalog.Table || r.Kind == catalog.PartitionedTable
	if !isTable || r.Extension != "" || r.Schema == "moat" || !b.Uses(r.Schema) || b.Hidden(r) != "" {
		return
	}
	// A table with the tenant column is asked with the tenant's predicate as well; one
	// without it is shown only when its policies alone are known to isolate.
	class := b.Class(r.QName())
	if class != catalog.TenantTable && class != catalog.SharedTable && !(class == catalog.ChildTable && b.Isolated(r)) {
		return
	}
	t := &table{Name: r.QName(), Title: humanize(r.Name), Comment: r.Comment, Rows: r.Estimate.Rows}
	t.Shared = class == catalog.SharedTable
	t.Singular = singular(t.Title)
	if class == catalog.TenantTable {
		t.Tenant = b.Table(r.QName()).Column
	}
	b.columns(t, r)
	if len(t.Columns) == 0 {
		return
	}
	t.MayAdd, t.MayChange = t.may(b.May(r, "INSERT"))
	b.out.tables = append(b.out.tables, t)
}

// slugs gives each table a name of its own in the address: the bare one where it is
// the only one.
func (b *builder) slugs() {
	count := map[string]int{}
	for _, t := range b.out.tables {
		count[t.Name.Name]++
	}
	for _, t := range b.out.tables {
		t.Slug = t.Name.Name
		if count[t.Slug] > 1 {
			t.Slug = t.Name.String()
			t.Title += " (" + t.Name.Schema + ")"
		}
	}
}

// references follows the foreign keys between the tables shown.
func (b *builder) references() {
	for i := range b.Snapshot.Relations {
		r := &b.Snapshot.Relations[i]
		from := b.out.byName(r.QName())
		if from == nil {
			continue
		}
		for _, k := range r.Constraints {
			to := b.out.byName(k.References)
			if k.Type != catalog.ForeignKey || to == nil {
				continue
			}
			b.reference(from, to, k)
		}
	}
}

// dropLoose leaves out shared tables that no protected table points at: that a table
// has no tenant column and is only read may be a wish, and not what it is.
func (b *builder) dropLoose() {
	referenced := map[catalog.QName]bool{}
	for _, r := range b.Snapshot.Relations {
		if t := b.out.byName(r.QName()); t != nil && !t.Shared {
			for _, k := range r.Constraints {
				referenced[k.References] = true
			}
		}
	}
	b.out.tables = slices.DeleteFunc(b.out.tables, func(t *table) bool { return t.Shared && !referenced[t.Name] })
}

// reference takes a foreign key of one column, beside the tenant column, that points at
// the whole key of the other table.
func (b *builder) reference(from, to *table, k catalog.Constraint) {
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
	c.Title = strings.TrimSuffix(strings.TrimSuffix(c.Title, " ID"), " id")
	to.Children = append(to.Children, child{Table: from, Column: c})
}
