package config

import (
	"github.com/moat-db/moat/internal/roles"
	"github.com/moat-db/moat/tenancy"
)

// Model is what the file says about the tenant model.
func (c *Config) Model() tenancy.Options {
	return tenancy.Options{
		Column:  c.Tenant.Column,
		Type:    c.Tenant.Type,
		Setting: c.Tenant.Setting,
		Tenants: Named(c.Tenant.Table),
		Key:     c.Tenant.Key,
		Schemas: c.Tables.Schemas,
		Shared:  named(c.Tables.Shared),
		Ignored: named(c.Tables.Ignore),
		Columns: c.Tables.Columns,
		Shapes:  c.Shapes(),

		Distribute: c.Citus.Distribute,
		Owner:      c.Roles.Owner,
		// Whoever acts as operator reads all tables, as an application would.
		Operators: append(roles.NotApplications(), c.Roles.Operator),
	}
}
