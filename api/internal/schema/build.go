package schema

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/serving"
	"github.com/moat-db/moat/policy"
)

// Options say what is built.
type Options struct {
	// Schemas are exposed, the first by default; empty means those of the model that
	// hold a table, app or public first.
	Schemas []string
	// Exposure is what clients reach; nil means all that the role may.
	Exposure *serving.Exposure
	// Below, where it is set, makes the Schema of a tenant and those below it.
	Below *serving.Below
}

// Build makes the Schema of what the role that a View was read as may reach.
func Build(v *policy.View, o Options) (*Schema, error) {
	b := &builder{Exposure: o.Exposure, below: o.Below}
	if b.below != nil {
		b.Exposure = b.below.Exposure
	}
	if b.Exposure == nil {
		b.Exposure = serving.Expose(v)
	}
	b.schema = &Schema{
		TenantColumn: v.Model.Column, TenantType: v.Model.Type, Tenants: v.Model.Tenants, TenantsKey: v.Model.Key,
		Tables: map[Name]*Table{}, Functions: map[Name][]*Function{}, Types: map[string]*Type{}, Media: map[string]*Media{},
		related: map[Name][]*Relationship{}, Below: b.below != nil,
	}
	if b.below != nil {
		b.schema.Suspended = b.below.Suspended
	}
	b.schema.Schemas = o.Schemas
	if len(o.Schemas) == 0 {
		b.schema.Schemas = b.defaultSchemas()
	}
	for _, name := range o.Schemas {
		if name == catalog.OwnSchema {
			return nil, fmt.Errorf("schema %s: it is moat's own, and not served", name)
		}
		if !b.Uses(name) {
			return nil, fmt.Errorf("schema %s: there is no such schema, or the role %s may not use it", name, b.Role)
		}
	}
	if len(b.schema.Schemas) == 0 {
		return nil, fmt.Errorf("no schema to expose: configure serve.schemas")
	}
	b.types()
	b.indexedKeys()
	b.tables()
	if b.below == nil { // what a function finds for a row of one tenant may be another's
		b.functions()
		b.geoJSON()
	}
	b.relationships()
	return b.schema, nil
}

type builder struct {
	*serving.Exposure
	schema *Schema
	below  *serving.Below // nil for the Schema of one tenant
	views  []view
}

// defaultSchemas are the model's schemas that the role may use and that hold a table
// it may read, "app" and "public" ahead of the others.
func (b *builder) defaultSchemas() []string {
	used := map[string]bool{}
	for r := range catalog.Each(b.Snapshot.Relations) {
		if r.Kind != catalog.Sequence && r.Extension == "" && b.May(r, "SELECT") {
			used[r.Schema] = true
		}
	}
	var names []string
	for _, s := range b.Snapshot.Schemas {
		listed := len(b.Model.Schemas) == 0 || slices.Contains(b.Model.Schemas, s.Name)
		if s.Name != catalog.OwnSchema && used[s.Name] && listed && b.Uses(s.Name) {
			names = append(names, s.Name)
		}
	}
	rank := func(name string) int {
		if i := slices.Index([]string{"app", "api", "public"}, name); i >= 0 {
			return i
		}
		return 3
	}
	slices.SortStableFunc(names, func(x, y string) int { return rank(x) - rank(y) })
	return names
}

func (b *builder) exposedSchema(name string) bool { return slices.Contains(b.schema.Schemas, name) }

func (b *builder) types() {
	for _, t := range b.Snapshot.Types {
		if t.Kind == "enum" || t.Kind == "domain" {
			b.schema.Types[sqlType(t.Schema, t.Name)] = &Type{SQL: Quote(t.Schema, t.Name), Name: t.Name,
				Labels: t.Labels, Base: t.Base}
		}
	}
	if b.below == nil {
		b.representations()
	}
}

// sqlType is how a type is looked up: by its two names, unquoted.
func sqlType(schema, name string) string { return schema + "." + name }

func (b *builder) tables() {
	for r := range catalog.Each(b.Snapshot.Relations) {
		if r.Kind == catalog.Sequence || r.Extension != "" || !b.exposedSchema(r.Schema) {
			continue
		}
		t := b.table(r)
		if !(t.Select || t.Insert || t.Update || t.Delete) {
			continue // not granted: no reason to mention it
		}
		if reason := b.hidden(r, t); reason != "" {
			b.schema.Hidden = append(b.schema.Hidden, Hidden{r.QName(), reason})
			continue
		}
		b.schema.Tables[t.Name] = t
	}
}

func (b *builder) hidden(r *catalog.Relation, t *Table) string {
	reason := b.Hidden(r)
	if reason == "" && b.below != nil {
		reason = b.below.HiddenBelow(r, t.TenantColumn)
	}
	return reason
}

// places says where the rows of a table are, or of what a view reads. A materialized view has
// rows of its own, which no policy is for.
func (b *builder) places(r *catalog.Relation) (spread, local bool) {
	switch r.Kind {
	case catalog.MaterializedView:
		return false, false
	case catalog.View:
		for _, d := range b.Reads(r.QName()) {
			if of := b.Relation(d.On); of != nil && d.On != r.QName() {
				s, l := b.places(of)
				spread, local = spread || s, local || l
			}
		}
		return spread, local
	}
	spread = b.Distributed(r.QName()).Spread()
	return spread, !spread
}

func (b *builder) table(r *catalog.Relation) *Table {
	t := &Table{
		Name: r.QName(), Comment: r.Comment, byName: map[string]*Column{}, Computed: map[string]*Function{},
		Partitioned: r.Kind == catalog.PartitionedTable,
		View:        r.Kind == catalog.View || r.Kind == catalog.MaterializedView, oid: r.OID,
	}
	t.Spread, t.Local = b.places(r)
	if m := b.Table(t.Name); m != nil && (m.Class == catalog.TenantTable || m.Class == catalog.TenantsTable) {
		t.TenantColumn, t.TenantType = m.Column, m.Type
	} else {
		t.Shared = m != nil && m.Class == catalog.SharedTable
	}
	if t.View {
		b.viewTenant(r, t)
	}
	if t.TenantColumn != "" && t.TenantType == "" {
		t.TenantType = b.Model.Type
	}
	t.Select = len(r.Columns) == 0 && b.May(r, "SELECT")
	t.Others = b.mixed(r, map[Name]bool{})
	t.Mixed = t.Others || b.below != nil && t.TenantColumn != ""
	t.People = b.people(t.Name)
	for i := range r.Columns {
		c := b.column(r, &r.Columns[i])
		c.Tenant = c.Name == t.TenantColumn && t.Name != b.Model.Tenants
		t.Columns = append(t.Columns, c)
		t.byName[c.Name] = c
		t.Select = t.Select || c.Select
		t.Insert = t.Insert || c.Insert
		t.Update = t.Update || c.Update
	}
	t.Delete = b.May(r, "DELETE")
	if t.View {
		t.Insert = t.Insert && (r.Insertable || r.InsteadOf.Insert)
		t.Update = t.Update && (r.Updatable || r.InsteadOf.Update)
		t.Delete = t.Delete && (r.Updatable || r.InsteadOf.Delete)
	}
	b.keys(r, t)
	return t
}

// mixed reports whether a tenant reads rows of others in a table, or in one that a view
// reads. Views may read each other in a circle.
func (b *builder) mixed(r *catalog.Relation, seen map[Name]bool) bool {
	if seen[r.QName()] {
		return false
	}
	seen[r.QName()] = true
	return b.Model.Shapes.Mixed(r.QName()) || r.Kind == catalog.View &&
		slices.ContainsFunc(b.Bases(r), func(base *catalog.Relation) bool { return b.mixed(base, seen) })
}

func (b *builder) people(table Name) *People {
	m := b.Model.Shapes.MembersOf(table)
	if m == nil {
		return nil
	}
	link := b.Table(m.Through)
	if link == nil || link.Column == "" {
		return nil
	}
	return &People{Key: m.Key, Person: m.Person, Tenant: link.Column, Link: m.Through}
}

// viewTenant gives a view the tenant column of the tables it reads when it shows a
// column of that name and type.
func (b *builder) viewTenant(r *catalog.Relation, t *Table) {
	for _, base := range b.Bases(r) {
		m := b.Table(base.QName())
		if m == nil || m.Class != catalog.TenantTable {
			continue
		}
		for _, c := range r.Columns {
			if c.Name == m.Column && c.Type == m.Type {
				t.TenantColumn, t.TenantType = m.Column, m.Type
			}
		}
	}
}

func (b *builder) column(r *catalog.Relation, c *catalog.Column) *Column {
	out := &Column{
		Name: c.Name, Type: c.Type, Base: c.Type, Comment: c.Comment, NotNull: c.NotNull,
		Default: c.Default, Identity: c.Identity, Generated: c.Generated != "",
	}
	if out.Generated {
		out.Default = ""
	}
	if t := b.schema.Types[sqlType(c.TypeName.Schema, c.TypeName.Name)]; t != nil {
		out.Enum = t.Labels
		if t.Base != "" {
			out.Base, out.Shown = b.base(t.Base), t.shown
		}
	}
	out.Scalar = len(out.Enum) > 0 || Scalar(out.Base)
	may := func(command string) bool { return b.MayColumn(r, c, command) }
	out.Select, out.Insert, out.Update = may("SELECT"), may("INSERT"), may("UPDATE")
	out.Hidden = b.Hides(r, c)
	b.schema.Veiled = b.schema.Veiled || out.Hidden
	return out
}

func (b *builder) keys(r *catalog.Relation, t *Table) {
	t.FullKey = r.PrimaryKey()
	for _, c := range r.Constraints {
		if c.Type == catalog.PrimaryKey || c.Type == catalog.Unique {
			t.Uniques = append(t.Uniques, c.Columns)
		}
	}
	for _, i := range r.Indexes {
		if columns := plainUnique(i); columns != nil && !i.Constraint {
			t.Uniques = append(t.Uniques, columns)
		}
	}
	if t.View && t.FullKey == nil {
		b.viewKeys(r, t)
	}
	t.Uniques = slices.DeleteFunc(t.Uniques, t.hides)
	if t.hides(t.FullKey) { // of a part nobody can tell two rows apart
		t.FullKey = nil
	}
	for _, name := range t.FullKey {
		if c := t.byName[name]; c != nil && !c.Tenant {
			t.Key = append(t.Key, name)
		}
	}
}

// hides reports whether clients do not see one of these columns, the tenant's aside: moat
// fills that in.
func (t *Table) hides(columns []string) bool {
	return slices.ContainsFunc(columns, func(name string) bool {
		c := t.byName[name]
		return c != nil && c.Hidden && name != t.TenantColumn
	})
}

// plainUnique returns the columns of a unique index over columns without a predicate.
func plainUnique(i catalog.Index) []string {
	if !i.Unique || !i.Valid || i.Predicate != "" {
		return nil
	}
	var columns []string
	for _, k := range i.Keys {
		if k.Column == "" {
			return nil
		}
		columns = append(columns, k.Column)
	}
	return columns
}

// viewKeys gives a view over one table that table's keys, where it shows all their
// columns under their own names.
func (b *builder) viewKeys(r *catalog.Relation, t *Table) {
	bases := b.Bases(r)
	if len(bases) != 1 {
		return
	}
	base := &Table{byName: t.byName}
	for _, c := range bases[0].Constraints {
		if c.Type != catalog.PrimaryKey && c.Type != catalog.Unique {
			continue
		}
		if !slices.ContainsFunc(c.Columns, func(name string) bool { return base.byName[name] == nil }) {
			t.Uniques = append(t.Uniques, c.Columns)
			if c.Type == catalog.PrimaryKey {
				t.FullKey = c.Columns
			}
		}
	}
}

// unqualified strips the quotes of an SQL name, for comparison with a type's or table's.
func unqualified(name string) string {
	return strings.ReplaceAll(strings.ReplaceAll(strings.ReplaceAll(name, `""`, "\x00"), `"`, ""), "\x00", `"`)
}
