package catalog

import (
	"fmt"
	"strings"
)

// Model says how the database tells its tenants apart: which column holds the
// tenant, which setting names the current one, and what each table is.
type Model struct {
	Column  string `json:"column"`  // tenant_id
	Type    string `json:"type"`    // uuid, bigint, integer, text: as format_type prints it
	Setting string `json:"setting"` // app.current_tenant
	// Claim is the path of keys to the tenant, or to the caller, in Setting when
	// that holds a token's claims as JSON; empty when Setting is the tenant itself.
	Claim []string `json:"claim,omitempty"`
	// Person is true where Setting, or the claim in it, was inferred and is who the
	// caller is rather than which tenant is current.
	Person bool `json:"person,omitempty"`
	// Membership is the column, of the table that says who belongs to which tenant,
	// by which policies find the caller's tenants; zero when they do not.
	Membership *ColumnRef `json:"membership,omitempty"`
	// Tenants is the table that lists the tenants, and its key column; zero when
	// there is none.
	Tenants QName  `json:"tenants,omitzero"`
	Key     string `json:"key,omitempty"`
	// Trusted are functions that return the current tenant, or nothing, although
	// their bodies are not of a form that is read: sealed mode's.
	Trusted []QName `json:"trusted,omitempty"`
	// Roles are the application roles: those whose access is judged.
	Roles []string `json:"roles"`
	// Shapes are what there is besides one tenant column and one setting.
	Shapes Shapes `json:"shapes,omitzero"`
	// Distribute says that the tables are to be spread over several servers by Citus.
	Distribute bool `json:"distribute,omitempty"`
	// Schemas are the schemas looked at.
	Schemas []string `json:"schemas"`
	// Tables classifies every table, partitioned table and foreign table.
	Tables []TableModel `json:"tables"`
	// Inferred says, in sentences, what was inferred and from what; empty when
	// everything was configured.
	Inferred []string `json:"inferred,omitempty"`
}

// Class is what a table is to tenants.
type Class string

// The classes of table.
const (
	TenantTable  Class = "tenant"  // has the tenant column
	TenantsTable Class = "tenants" // lists the tenants
	ChildTable   Class = "child"   // reaches a tenant only through a foreign key
	PeopleTable  Class = "people"  // has people of several tenants, see [Members]
	SharedTable  Class = "shared"  // the same for every tenant
	IgnoredTable Class = "ignored" // configured not to be looked at
	UnknownTable Class = "unknown" // neither: a person must say
)

// HasTenants reports whether tables of the class hold rows of one tenant in addition to another's.
func (c Class) HasTenants() bool {
	return c == TenantTable || c == TenantsTable || c == ChildTable || c == PeopleTable
}

// TableModel is one table's class, with the foreign-key path that led to it.
type TableModel struct {
	Table QName `json:"table"`
	Class Class `json:"class"`
	// Column is the tenant column of this table (the key, for the tenants table);
	// empty for classes that have none.
	Column string `json:"column,omitempty"`
	Type   string `json:"type,omitempty"`
	// Paths are the shortest ways by foreign key from a child table to a table that
	// has the tenant column; more than one distinct way is ambiguous.
	Paths []Path `json:"paths,omitempty"`
	// Why says in one sentence how the class was found.
	Why string `json:"why"`
	// Assumed: it is taken for shared since nothing speaks against it; nobody said so.
	Assumed bool `json:"-"`
}

// Path is a chain of foreign keys, each from the table before it.
type Path []Step

// Step is one foreign key on a path.
type Step struct {
	From       QName    `json:"from"`
	Constraint string   `json:"constraint"`
	Columns    []string `json:"columns"`
	To         QName    `json:"to"`
	RefColumns []string `json:"ref_columns"`
	Nullable   bool     `json:"nullable,omitempty"` // a referencing column may be NULL
}

// String returns the path for people: lines.order_id → orders.tenant_id is written
// app.lines (order_id) → app.orders.
func (p Path) String() string {
	var b strings.Builder
	for i, step := range p {
		if i == 0 {
			b.WriteString(step.From.String())
		}
		fmt.Fprintf(&b, " (%s) → %s", strings.Join(step.Columns, ", "), step.To)
	}
	return b.String()
}
