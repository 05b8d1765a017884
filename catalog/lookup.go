package catalog

import (
	"iter"
	"slices"
	"sync"

	"github.com/moat-db/moat/internal/list"
)

// Lookup is a Snapshot, the tenant Model over it, and the look-ups in both: the same
// facts, found quickly. It does not copy; neither may change after [NewLookup]. A Lookup
// may be used by several goroutines at once.
type Lookup struct {
	Snapshot *Snapshot
	// Model is nil where nothing is known of the tenants.
	Model *Model

	*index
	tables map[QName]*TableModel
}

// index is what a Lookup finds things in the Snapshot by.
type index struct {
	relations map[QName]*Relation
	byOID     map[OID]*Relation
	children  map[OID][]*Relation
	schemas   map[string]*Schema
	roles     map[string]*Role
	functions map[QName][]*Function
	byProc    map[OID]*Function
	edges     map[string][]Membership // by member

	distributed map[QName]*Distributed

	referring map[QName][]Reference          // by the table referred to
	triggered map[QName][]*Relation          // by the trigger's function
	reads     map[QName][]RelationDependency // by what reads
	readBy    map[QName][]RelationDependency // by what is read

	mu       sync.Mutex
	closures map[closureKey]closure
}

type closureKey struct {
	role string
	mode Mode
}

// NewLookup indexes a Snapshot and a Model, which may be nil.
func NewLookup(s *Snapshot, m *Model) *Lookup {
	x := &index{
		relations: map[QName]*Relation{}, byOID: map[OID]*Relation{}, children: map[OID][]*Relation{},
		schemas: map[string]*Schema{}, roles: map[string]*Role{},
		functions: map[QName][]*Function{}, byProc: map[OID]*Function{},
		edges: map[string][]Membership{}, closures: map[closureKey]closure{},
		referring: map[QName][]Reference{}, triggered: map[QName][]*Relation{},
		reads: map[QName][]RelationDependency{}, readBy: map[QName][]RelationDependency{},
		distributed: map[QName]*Distributed{},
	}
	if s.Distribution != nil {
		for d := range Each(s.Distribution.Tables) {
			x.distributed[d.Table] = d
		}
	}
	for r := range Each(s.Relations) {
		x.relations[r.QName()] = r
		x.byOID[r.OID] = r
		for _, parent := range r.Parents {
			x.children[parent] = append(x.children[parent], r)
		}
		x.addReferences(r)
		x.addTriggers(r)
	}
	for _, d := range s.Dependencies {
		x.reads[d.From] = append(x.reads[d.From], d)
		x.readBy[d.On] = append(x.readBy[d.On], d)
	}
	for i := range s.Schemas {
		x.schemas[s.Schemas[i].Name] = &s.Schemas[i]
	}
	for i := range s.Roles {
		x.roles[s.Roles[i].Name] = &s.Roles[i]
	}
	for f := range Each(s.Functions) {
		x.functions[f.QName()] = append(x.functions[f.QName()], f)
		x.byProc[f.OID] = f
	}
	for _, m := range s.Memberships {
		x.edges[m.Member] = append(x.edges[m.Member], m)
	}
	// The database's owner is the one member that pg_database_owner has.
	if x.roles["pg_database_owner"] != nil {
		owner := s.Database.Owner
		only := Membership{Role: "pg_database_owner", Member: owner, Inherit: true, Set: true}
		x.edges[owner] = append(x.edges[owner], only)
	}
	return (&Lookup{Snapshot: s, index: x}).With(m)
}

// With returns a Lookup of the same Snapshot under another Model.
func (v *Lookup) With(m *Model) *Lookup {
	out := &Lookup{Snapshot: v.Snapshot, Model: m, index: v.index, tables: map[QName]*TableModel{}}
	if m != nil {
		for i := range m.Tables {
			out.tables[m.Tables[i].Table] = &m.Tables[i]
		}
	}
	return out
}

// Table returns the model's entry for a table, nil when there is none.
func (v *Lookup) Table(name QName) *TableModel { return v.tables[name] }

// Class returns what a table is to tenants; "" for what the model does not list.
func (v *Lookup) Class(name QName) Class {
	if t := v.tables[name]; t != nil {
		return t.Class
	}
	return ""
}

// TenantColumn returns the column that says whose a table's row is: what the model
// says, else the model's column if the table has it, else "".
func (v *Lookup) TenantColumn(r *Relation) string {
	if t := v.tables[r.QName()]; t != nil && t.Column != "" {
		return t.Column
	}
	if v.Model != nil && r.Column(v.Model.Column) != nil {
		return v.Model.Column
	}
	return ""
}

// QName returns the function's name; functions of one name differ by Arguments.
func (f *Function) QName() QName { return QName{f.Schema, f.Name} }

// Column returns the column of that name, nil when there is none.
func (r *Relation) Column(name string) *Column {
	for i := range r.Columns {
		if r.Columns[i].Name == name {
			return &r.Columns[i]
		}
	}
	return nil
}

// Grants are the privileges on the relation, and those on its columns.
func (r *Relation) Grants() iter.Seq[Privilege] {
	return func(yield func(Privilege) bool) {
		for _, p := range r.Privileges {
			if !yield(p) {
				return
			}
		}
		for i := range r.Columns {
			for _, p := range r.Columns[i].Privileges {
				if !yield(p) {
					return
				}
			}
		}
	}
}

// IsTable reports whether the relation is a table, partitioned or not.
func (r *Relation) IsTable() bool { return r.Kind == Table || r.Kind == PartitionedTable }

// Columns are the key columns of an index in order; "" stands for an expression.
func (x *Index) Columns() []string {
	return list.Map(x.Keys, func(key IndexKey) string { return key.Column })
}

// Constraint returns the constraint of that name, nil when there is none.
func (r *Relation) Constraint(name string) *Constraint {
	for i := range r.Constraints {
		if r.Constraints[i].Name == name {
			return &r.Constraints[i]
		}
	}
	return nil
}

// ColumnNames returns the names of all columns.
func (r *Relation) ColumnNames() []string {
	return list.Map(r.Columns, func(c Column) string { return c.Name })
}

// PrimaryKey returns the names of the primary key's columns in key order, nil when
// there is none.
func (r *Relation) PrimaryKey() []string {
	for i := range r.Constraints {
		if r.Constraints[i].Type == PrimaryKey {
			return r.Constraints[i].Columns
		}
	}
	return nil
}

// Relation returns the relation of that name, nil when there is none.
func (v *Lookup) Relation(name QName) *Relation { return v.relations[name] }

// Origin follows a column that a view shows as it is, also through other views, to the
// table's own; nil for what is computed or belongs to no relation of the Snapshot. A
// view may read itself: such a column comes from nowhere.
func (v *Lookup) Origin(r *Relation, c *Column) (*Relation, *Column) {
	for range len(v.relations) {
		switch {
		case r == nil || c == nil:
			return nil, nil
		case r.Kind != View && r.Kind != MaterializedView:
			return r, c
		case c.Origin == nil:
			return nil, nil
		}
		name := c.Origin.Column
		if r = v.Relation(c.Origin.Relation); r != nil {
			c = r.Column(name)
		}
	}
	return nil, nil
}

// Numbered returns the relation and the column of these numbers, by which a server says
// where a column of a result comes from; nil when they are not in the Snapshot.
func (v *Lookup) Numbered(relation OID, column int16) (*Relation, *Column) {
	if r := v.byOID[relation]; r != nil {
		for i := range r.Columns {
			if r.Columns[i].Num == column {
				return r, &r.Columns[i]
			}
		}
	}
	return nil, nil
}

// Schema returns the schema of that name, nil when there is none.
func (v *Lookup) Schema(name string) *Schema { return v.schemas[name] }

// Role returns the role of that name, nil when there is none.
func (v *Lookup) Role(name string) *Role { return v.roles[name] }

// Functions returns the functions of that name, in the order of their arguments.
func (v *Lookup) Functions(name QName) []*Function { return v.functions[name] }

// Function returns the function of that number, nil when it is not in the Snapshot.
func (v *Lookup) Function(oid OID) *Function { return v.byProc[oid] }

// Children returns the partitions and the inheriting tables of a relation, one
// level down, in the order of their names.
func (v *Lookup) Children(r *Relation) []*Relation { return v.children[r.OID] }

// Parents returns the tables that a relation is a partition of or inherits from.
func (v *Lookup) Parents(r *Relation) []*Relation {
	var all []*Relation
	for _, oid := range r.Parents {
		if parent := v.byOID[oid]; parent != nil {
			all = append(all, parent)
		}
	}
	return all
}

// Descendants returns everything below a relation, each once.
func (v *Lookup) Descendants(r *Relation) []*Relation {
	all := slices.Clone(v.Children(r))
	for i := 0; i < len(all); i++ {
		for _, child := range v.Children(all[i]) {
			if child != r && !slices.Contains(all, child) {
				all = append(all, child)
			}
		}
	}
	return all
}
