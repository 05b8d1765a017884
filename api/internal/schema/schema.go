// Package schema is what the API knows of a database: the tables, columns, functions
// and relationships that the application role may reach, as plain values built from
// a catalog.Snapshot.
//
// It is pure, and the only place that decides what is exposed: what is not in a
// [Schema] cannot be named in a request, whatever a role could do in SQL. A Schema is
// never altered once built, so that requests read it without a lock while the next
// one is being made.
//
// Exposed are, in the configured schemas only: tables that row-level security
// protects, tables shared by every tenant, views that cannot show more than their
// caller may see, and functions granted to the application role. Hidden lists the
// rest with the reason.
package schema

import (
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/catalog"
)

// Name is a schema-qualified name.
type Name = catalog.QName

// Schema is one state of the database.
type Schema struct {
	// Schemas are the exposed schemas; the first is the default.
	Schemas []string
	// Tenant says how tenants are told apart.
	TenantColumn string
	TenantType   string
	Tenants      Name
	TenantsKey   string
	// Below says that this is the Schema of a tenant and those below it, and Suspended is
	// the SQL of an array of those whose rows are left out; "" where none ever are.
	Below     bool
	Suspended string

	// Veiled says that there are hidden columns: what PostgreSQL says of a row may show them.
	Veiled bool

	Tables    map[Name]*Table
	Functions map[Name][]*Function
	// Media are what makes answers of other types of any rows, by type.
	Media map[string]*Media
	// Types are the enums and domains of the exposed schemas, by their SQL name.
	Types map[string]*Type
	// IndexedKeys are the JSON keys in expressions of indexes.
	IndexedKeys map[string]bool
	// Hidden are tables and views of the exposed schemas that are left out.
	Hidden  []Hidden
	related map[Name][]*Relationship
}

// Hidden is a relation that is not exposed, and why.
type Hidden struct {
	Name   Name
	Reason string
}

// Table is an exposed table or view.
type Table struct {
	Name
	View        bool
	Partitioned bool
	Comment     string
	// TenantColumn is "" for a table without one: shared, or a child of one that has.
	TenantColumn string
	// TenantType is the SQL type of the tenant column.
	TenantType string
	// Shared tables are the same for every tenant.
	Shared bool
	// Spread tables have their rows on other servers of Citus, and Local ones do not; a view
	// may read both.
	Spread, Local bool
	// Mixed tables show rows of several tenants at once. The tenant column is then part of
	// what tells two rows apart, and which rows are shown is the policies' to say.
	Mixed bool
	// Others says that a tenant reads rows of other tenants here: everybody's, of a tenant
	// above, of another party, or shared with it.
	Others bool
	// People says how a table of people is linked to tenants; nil for others.
	People  *People
	Columns []*Column
	// Key is the primary key without the tenant column, FullKey with it.
	Key     []string
	FullKey []string
	// locator are the columns by which a view's rows are named.
	locator []string
	// Uniques are the column sets of primary key and unique constraints and indexes.
	Uniques                        [][]string
	Select, Insert, Update, Delete bool
	// Computed are functions of one row, by name.
	Computed map[string]*Function
	// Media are what makes answers of other types of its rows, by type.
	Media  map[string]*Media
	byName map[string]*Column
	oid    catalog.OID
}

// People is the link by which people belong to tenants: rows of Link hold, in Person, the
// Key of a person, and the tenant in Tenant.
type People struct {
	Key, Person, Tenant string
	Link                Name
}

// Identity are the columns that tell two rows of what is shown apart; none where there is
// no primary key.
func (t *Table) Identity() []string {
	if t.Mixed {
		return t.FullKey
	}
	return t.Key
}

// Locator are the columns by which Location names a row: the key, or of a view the keys of the
// tables that it shows.
func (t *Table) Locator() []string {
	return slices.DeleteFunc(slices.Clone(t.locators()), func(name string) bool {
		c := t.byName[name]
		return c == nil || c.Tenant
	})
}

func (t *Table) locators() []string {
	if t.View {
		return t.locator
	}
	return t.FullKey
}

// SQL returns the quoted name.
func (t *Table) SQL() string { return Quote(t.Schema, t.Name.Name) }

// Column returns the column called name, or nil.
func (t *Table) Column(name string) *Column { return t.byName[name] }

// Column is an exposed column.
type Column struct {
	Name string
	// Type is the type as format_type prints it, fit for SQL.
	Type    string
	Comment string
	NotNull bool
	// Default is the default's SQL; identity and generated columns have none here.
	Default   string
	Identity  string
	Generated bool
	Enum      []string
	// Scalar types have a text form that is their JSON value; the others go through
	// to_json on the server.
	Scalar bool
	// Base is the type under a domain, else Type.
	Base string
	// Shown says how the values of a domain look to clients; zero for its base type's.
	Shown                  Representation
	Select, Insert, Update bool
	// Hidden columns are those that the role may read and clients do not see.
	Hidden bool
	// Tenant is the tenant column, which clients cannot write.
	Tenant bool
}

// HasDefault reports whether an insert may leave the column out.
func (c *Column) HasDefault() bool {
	return c.Default != "" || c.Identity != "" || c.Generated || !c.NotNull
}

// Type is an enum or a domain.
type Type struct {
	SQL    string
	Name   string // without its schema
	Labels []string
	Base   string
	shown  Representation
}

// Quote quotes identifiers and joins them by dots.
func Quote(names ...string) string { return pgx.Identifier(names).Sanitize() }

// Table returns the table called name in one of the exposed schemas.
func (s *Schema) Table(schema, name string) *Table { return s.Tables[Name{Schema: schema, Name: name}] }

// TableNames returns the names of the tables of a schema, sorted.
func (s *Schema) TableNames(schema string) []string { return namesIn(schema, s.Tables) }

// FunctionNames returns the names of the callable functions of a schema, sorted.
func (s *Schema) FunctionNames(schema string) []string { return namesIn(schema, s.Functions) }

func namesIn[T any](schema string, all map[Name]T) []string {
	var names []string
	for n := range all {
		if n.Schema == schema {
			names = append(names, n.Name)
		}
	}
	slices.Sort(names)
	return names
}

// NewRows describes rows that are no table's: the result of a function.
func NewRows(name Name, columns []*Column) *Table {
	t := &Table{Name: name, Columns: columns, Select: true, byName: map[string]*Column{}}
	for _, c := range columns {
		t.byName[c.Name] = c
	}
	return t
}
