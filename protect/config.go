package protect

import (
	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/roles"
)

// Config holds what a person has decided. The zero value decides nothing: every
// question stays open and the roles have their default names.
type Config struct {
	// Roles are the names of the four roles; empty ones get moat_owner, moat_app,
	// moat_operator and moat_definer.
	Roles Roles
	// Paths picks, for a table with several ways to a tenant ("schema.table"), the
	// foreign key to follow.
	Paths map[string]string
	// Shared are the tables ("schema.table") that were said to be shared by all
	// tenants: the application role may read them. Of tables that were only inferred
	// to be shared it gets what an application role of today has: see [Look].
	Shared []string
	// TenantLedUniques are the global uniques ("schema.table.constraint") that may
	// be replaced by ones that start with the tenant column.
	TenantLedUniques []string
	// KeepForeignKeys keeps single-column foreign keys beside the composite ones.
	KeepForeignKeys bool
	// ChangeOwner moves tables that the application role owns to Roles.Owner.
	ChangeOwner bool
	// DropIndexes drops the indexes that a tenant-led one replaces.
	DropIndexes bool
	// Observe plans group observe: see [Observe]. Zero means that it is left out, and that
	// group enforce ends it where it stands.
	Observe bool
	// Stopped are the checks that found rows, by ID: the steps behind them are left
	// out of the plan and the finding is a Decision. See [Examine].
	Stopped map[string]Found
}

// Roles names the roles.
type Roles struct{ Owner, Application, Operator, Definer string }

// Found is what a [Check] counted.
type Found struct {
	Check  Check    `json:"check"`
	Count  int64    `json:"count"`
	Sample []string `json:"sample"`
}

func (c Config) withDefaults() Config {
	set := func(name *string, value string) {
		if *name == "" {
			*name = value
		}
	}
	set(&c.Roles.Owner, roles.Owner)
	set(&c.Roles.Application, roles.Application)
	set(&c.Roles.Operator, roles.Operator)
	set(&c.Roles.Definer, roles.Definer)
	return c
}

// Schema is the schema that moat keeps its own objects in: the journal, the guard
// and the search functions.
const Schema = "moat"

func own(name string) catalog.QName { return catalog.QName{Schema: Schema, Name: name} }
