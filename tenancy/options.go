package tenancy

import "github.com/moat-db/moat/catalog"

// Options tell [Infer] what is known. Every zero value means: infer it.
type Options struct {
	Column  string        // tenant column
	Type    string        // its type
	Setting string        // default: the one that policies read, else app.current_tenant
	Tenants catalog.QName // tenants table
	Key     string
	Schemas []string // default: every schema that is not an extension's own
	Shared  []catalog.QName
	Ignored []catalog.QName
	Roles   []string        // application roles; default: login roles with privileges on tenant tables
	Trusted []catalog.QName // functions that return the current tenant; see [catalog.Model.Trusted]
	// Columns are the tenant columns ("schema.table" → column) of tables that have one of
	// another name.
	Columns map[string]string
	// Shapes are what is declared besides; what is not may be inferred.
	Shapes catalog.Shapes
	// Distribute says that the tables are to be distributed by Citus; see
	// [catalog.Model.Distribute].
	Distribute bool
	// Owner is the role that owns the tables and, on Citus, logs in to reach the shards:
	// no application there. Zero means moat's own.
	Owner string
	// Operators are roles that are never taken for application roles when those are
	// inferred; zero means those of moat's own that serve nothing.
	Operators []string
}
