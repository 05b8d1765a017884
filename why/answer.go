package why

// Outcome is what became of the statement.
type Outcome string

// The outcomes.
const (
	Rows    Outcome = "rows"    // it returned or changed rows
	Empty   Outcome = "empty"   // it did not, or only counted none
	Refused Outcome = "refused" // it, or binding the tenant, is an error
)

// Answer is what [Ask] found. Its JSON is stable: Version counts what breaks it.
type Answer struct {
	Version int     `json:"version"`
	Tenant  string  `json:"tenant,omitempty"`
	Role    string  `json:"role"` // that the application connects as
	Outcome Outcome `json:"outcome"`
	// Count is the number of rows returned or changed.
	Count int64 `json:"count"`
	// Error is the server's, for Refused.
	Error *Error `json:"error,omitempty"`
	// Cause is what explains the outcome; its Kind is [CannotTell] where nothing surely does,
	// and [Nothing] where there is nothing to explain.
	Cause Cause `json:"cause"`
	// Tables are those that the statement reads or writes, in the order of their names.
	Tables []Table `json:"tables"`
	// Unknown says, in sentences, what could not be looked at.
	Unknown []string `json:"unknown,omitempty"`
}

// Error is an error of the server without the values that it may name in its detail.
type Error struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Cause is the likely cause. Object is the table, policy, key or setting that it is about.
type Cause struct {
	Kind   Kind   `json:"kind"`
	Object string `json:"object,omitempty"`
	Text   string `json:"text"`
	Fix    string `json:"fix,omitempty"`
}

// Table is what one table did to the statement.
type Table struct {
	Name    string `json:"name"`
	Command string `json:"command"` // SELECT, INSERT, UPDATE, DELETE, MERGE
	// As is the role whose rights count, when it is not the application's: a view's owner.
	As string `json:"as,omitempty"`
	// Free says why no policy binds that role.
	Free string `json:"free,omitempty"`
	// Counts are of the rows that meet the statement's own conditions on this table; nil
	// where they were not counted.
	Counts *Counts `json:"counts,omitempty"`
	// Taken are the conditions of policies that took rows of the tenant, in their order.
	Taken []Taken `json:"taken,omitempty"`
}

// Counts are numbers of rows. Those of other tenants are counted up to [Most] only.
type Counts struct {
	Tenant  int64  `json:"tenant"`            // of the tenant, or all where the table has no tenant column
	Others  int64  `json:"others"`            // of other tenants
	Nobody  int64  `json:"nobody"`            // with a tenant column that is NULL
	Visible *int64 `json:"visible,omitempty"` // that the application sees; nil where it could not be asked
	// Partial: the statement has further conditions, in subqueries, that were left out.
	Partial bool `json:"partial,omitempty"`
}

// Most is how many rows of other tenants are counted.
const Most = 10_000

// Taken is how many of the tenant's rows a condition of a policy took away from those that
// the conditions before it had left.
type Taken struct {
	Policy    string `json:"policy"`
	Condition string `json:"condition"`
	Rows      int64  `json:"rows"`
}

// Kind names a cause.
type Kind string

// The causes.
const (
	Nothing    Kind = "nothing"     // rows came, and no policy was passed by
	CannotTell Kind = "cannot-tell" // more than one explanation is left

	NoTenant        Kind = "no-tenant"        // no tenant is bound
	InvalidTenant   Kind = "invalid-tenant"   // not a value of the tenant column's type
	UnknownTenant   Kind = "unknown-tenant"   // the tenants table does not list it
	SuspendedTenant Kind = "suspended-tenant" // it is locked out
	WrongSetting    Kind = "wrong-setting"    // policies read a setting that nobody sets
	MissingFact     Kind = "missing-fact"     // policies read the caller's subject, role or claims

	OtherTenant   Kind = "other-tenant"    // the rows asked for are another tenant's
	RowOfNobody   Kind = "row-of-nobody"   // their tenant column is NULL
	PolicyTook    Kind = "policy"          // a policy took the tenant's rows
	SoftDelete    Kind = "soft-delete"     // it hides rows that are marked as deleted
	Membership    Kind = "membership"      // it asks a table of members, which does not name the caller
	NoPolicy      Kind = "no-policy"       // row-level security is on, and there is no policy
	RoleNotNamed  Kind = "role-not-named"  // no policy is for this role
	NoPolicyForIt Kind = "command-missing" // no policy is for this command
	ViewOwner     Kind = "view-owner"      // a view reads with its owner's rights
	OwnerForced   Kind = "owner-forced"    // a function reads with its owner's rights, which FORCE binds
	WithCheck     Kind = "with-check"      // the row written is not the tenant's
	Recursion     Kind = "recursion"       // a policy reads its own table
	Unprotected   Kind = "unprotected"     // no policy binds the role on a table of tenants

	GrantTable    Kind = "grant-table"
	GrantColumn   Kind = "grant-column"
	GrantSchema   Kind = "grant-schema"
	GrantSequence Kind = "grant-sequence"
	GrantFunction Kind = "grant-function"

	ForeignKey Kind = "foreign-key" // the parent is not there, or another tenant's
	UniqueKey  Kind = "unique-key"  // the key is taken, perhaps by another tenant
	NotNull    Kind = "not-null"
	Check      Kind = "check"
	Trigger    Kind = "trigger" // a trigger's function refused it

	SearchPath Kind = "search-path" // the name means another table, or none
	NoTable    Kind = "no-table"    // nothing has that name
	ReadOnly   Kind = "read-only"   // the transaction may not write
	Replica    Kind = "replica"     // the server is a standby
	TimeLimit  Kind = "time-limit"  // statement_timeout
	CopyFrom   Kind = "copy-from"   // PostgreSQL refuses it under row-level security
	NotFilled  Kind = "not-filled"  // a materialized view was never refreshed
	Statement  Kind = "statement"   // the statement's own conditions
)
