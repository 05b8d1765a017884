package protect

import (
	"time"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/baseline"
	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/roles"
	"github.com/moat-db/moat/policy"
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
	// LeaveOpen are tables ("schema.table"), there or to come, that the guard leaves open, as
	// it does those in which migration tools keep their state.
	LeaveOpen []string
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
	// Hidden are tables ("schema.table") whose rows without a tenant, or of one that is
	// not in the tenants table, no tenant has to see.
	Hidden []string
	// Crossing are the foreign keys ("schema.table.constraint") that rows of one tenant
	// may refer to another's through: they stay as they are.
	Crossing []string
	// OneTenant are tables ("schema.table") whose rows concern one tenant only, although a
	// column names another.
	OneTenant []string
	// Narrowed are tables whose rows a wall may hide although policies of the team's own
	// show them.
	Narrowed []string
	// Opened are tables on which the application role gets a policy for each command that
	// the team's own policies do not allow.
	Opened []string
	// Triggers are trigger functions ("schema.function") that a person has read: whatever
	// they write, the application may.
	Triggers []string
	// ReplaceDefaults gives tenant columns with a default of their own the current tenant.
	ReplaceDefaults bool
	// Retired are roles of today that nothing connects as once rows are walled in.
	Retired []string
	// LeaveRoles takes the application role out of roles that would let it past the
	// policies.
	LeaveRoles bool
	// WritableMembers are the membership tables that the application role may write to.
	WritableMembers []string
	// Baseline are the exceptions of the team; those for questions, see [QuestionKind],
	// go on without an answer. Today is the day on which they are judged.
	Baseline []baseline.Entry
	Today    time.Time
	// Looking is told, by [Look], what is counted next and how much there is; nil: nothing is.
	Looking func(what string, n, of int)
	// Facts are the settings that a scope's facts go into, for moat.set_tenant; empty ones get
	// moat's own names, and Tenant that of the model.
	Facts policy.Facts
	// Stopped are the checks that found rows, by ID: the steps behind them are left
	// out of the plan and the finding is a Decision. See [Examine].
	Stopped map[string]Found
	// Unseen says why rows could not be looked at; nil: they were, or were not asked for.
	Unseen error
	// Seen is what was counted of each [Plan.Sights].
	Seen map[catalog.QName][]Seen
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
	set(&c.Facts.Subject, moat.DefaultSubjectSetting)
	set(&c.Facts.Role, moat.DefaultRoleSetting)
	set(&c.Facts.Claims, moat.DefaultClaimsSetting)
	return c
}

// Schema is the schema that moat keeps its own objects in: the journal, the guard
// and the search functions.
const Schema = catalog.OwnSchema

func own(name string) catalog.QName { return catalog.QName{Schema: Schema, Name: name} }
