package catalog

// Snapshot is what one pass over pg_catalog saw: plain values in a stable order,
// so that the same database gives the same Snapshot and pure functions (audit,
// protect's planning) the same bytes. Nothing in it is a row of a user's table.
type Snapshot struct {
	// Version is server_version_num: 150018 is 15.18.
	Version int `json:"version"`
	// Prerelease says that it is a test version, such as 19rc1: its Version is that of the
	// release that follows it.
	Prerelease bool `json:"prerelease"`
	// Database is the one connected to; User the role that looked.
	Database Database `json:"database"`
	User     string   `json:"user"`

	Roles       []Role       `json:"roles"`
	Memberships []Membership `json:"memberships"`
	Schemas     []Schema     `json:"schemas"`
	// Relations are those of the user's schemas: everything but pg_catalog,
	// information_schema, toast and temporary ones, ordered by schema and name.
	Relations []Relation `json:"relations"`
	// Functions are the user's functions and procedures, and those built-in or
	// extension functions that a rule asks about (Function.System is true).
	Functions []Function `json:"functions"`
	Types     []Type     `json:"types"`
	// Operators are those that neither PostgreSQL nor an extension brought.
	Operators    []QName              `json:"operators"`
	Casts        []Cast               `json:"casts,omitempty"`
	Collations   []Collation          `json:"collations"`
	Extensions   []Extension          `json:"extensions"`
	Publications []Publication        `json:"publications"`
	Events       []EventTrigger       `json:"event_triggers"`
	Defaults     []DefaultPrivilege   `json:"default_privileges"`
	Stored       []StoredSetting      `json:"stored_settings"`
	Parameters   []ParameterGrant     `json:"parameter_grants"`
	SystemTables []SystemTable        `json:"system_tables,omitempty"`
	Servers      []ForeignServer      `json:"foreign_servers"`
	Dependencies []RelationDependency `json:"dependencies"`
	// Settings are the run-time parameters rules need (wal_level,
	// max_prepared_transactions, …), by name.
	Settings map[string]string `json:"settings"`
	// Distribution is nil where Citus is not installed.
	Distribution *Distribution `json:"distribution,omitempty"`
	// LargeObjects is the number of large objects in the database.
	LargeObjects int64 `json:"large_objects"`
	// Unseen says, in sentences, what the role could not look at. A Snapshot with
	// anything here must never be called clean.
	Unseen []string `json:"unseen"`
}

// OID identifies an object within one Snapshot. Reports use names, never OIDs.
type OID uint32

// Privilege is one aclitem entry. Grantee "" is PUBLIC. A NULL acl is expanded to
// the defaults of its kind of object, the owner's own rights included.
type Privilege struct {
	Grantee   string `json:"grantee"`
	Grantor   string `json:"grantor"`
	Name      string `json:"name"` // SELECT, INSERT, …, EXECUTE, USAGE, CREATE, TEMPORARY
	Grantable bool   `json:"grantable"`
}

// Database is the connected database.
type Database struct {
	Name       string      `json:"name"`
	Owner      string      `json:"owner"`
	Privileges []Privilege `json:"privileges"`
}

// Role is a role of the cluster, predefined ones (pg_…) included.
type Role struct {
	Name        string `json:"name"`
	Super       bool   `json:"super"`
	BypassRLS   bool   `json:"bypass_rls"`
	CreateRole  bool   `json:"create_role"`
	CreateDB    bool   `json:"create_db"`
	Replication bool   `json:"replication"`
	Login       bool   `json:"login"`
	Inherit     bool   `json:"inherit"`
	// Bootstrap is true for the superuser that initdb made.
	Bootstrap bool `json:"bootstrap,omitempty"`
}

// Membership is a row of pg_auth_members. Before PostgreSQL 16 Inherit is the
// member's rolinherit and Set is true.
type Membership struct {
	Role    string `json:"role"`
	Member  string `json:"member"`
	Grantor string `json:"grantor"`
	Admin   bool   `json:"admin"`
	Inherit bool   `json:"inherit"`
	Set     bool   `json:"set"`
}

// Schema is a namespace of the user.
type Schema struct {
	Name       string      `json:"name"`
	Owner      string      `json:"owner"`
	Extension  string      `json:"extension,omitempty"` // the extension it belongs to
	Comment    string      `json:"comment,omitempty"`
	Privileges []Privilege `json:"privileges"`
	// Unseen are those sentences of Snapshot.Unseen that are about this schema.
	Unseen []string `json:"unseen,omitempty"`
}

// Kind is pg_class.relkind in words.
type Kind string

// The kinds of relation a Snapshot holds.
const (
	Table            Kind = "table"
	PartitionedTable Kind = "partitioned table"
	View             Kind = "view"
	MaterializedView Kind = "materialized view"
	ForeignTable     Kind = "foreign table"
	Sequence         Kind = "sequence"
)

// Relation is a table, partitioned table, view, materialized view, foreign table
// or sequence, with all that hangs on it.
type Relation struct {
	OID        OID         `json:"-"`
	Schema     string      `json:"schema"`
	Name       string      `json:"name"`
	Kind       Kind        `json:"kind"`
	Owner      string      `json:"owner"`
	Comment    string      `json:"comment,omitempty"`
	Extension  string      `json:"extension,omitempty"` // the extension it belongs to
	Privileges []Privilege `json:"privileges"`

	RLS      bool `json:"rls"`       // relrowsecurity
	ForceRLS bool `json:"force_rls"` // relforcerowsecurity
	Unlogged bool `json:"unlogged,omitempty"`

	// Partition is true for a partition; Parents are the tables it inherits from
	// or is a partition of, nearest first within pg_inherits order.
	Partition    bool         `json:"partition,omitempty"`
	Parents      []OID        `json:"-"`
	ParentNames  []QName      `json:"parents,omitempty"`
	PartitionKey PartKey      `json:"partition_key,omitzero"`
	Bound        string       `json:"bound,omitempty"`
	Replica      string       `json:"replica_identity,omitempty"`
	Estimate     Estimate     `json:"-"` // statistics: not part of the schema's identity
	Columns      []Column     `json:"columns"`
	Constraints  []Constraint `json:"constraints,omitempty"`
	Indexes      []Index      `json:"indexes,omitempty"`
	Policies     []Policy     `json:"policies,omitempty"`
	Triggers     []Trigger    `json:"triggers,omitempty"`
	Rules        []Rule       `json:"rules,omitempty"`

	// Views and materialized views.
	Definition      string `json:"definition,omitempty"`
	SecurityInvoker bool   `json:"security_invoker,omitempty"`
	SecurityBarrier bool   `json:"security_barrier,omitempty"`
	CheckOption     string `json:"check_option,omitempty"` // "", local, cascaded
	Insertable      bool   `json:"insertable,omitempty"`   // pg_relation_is_updatable & 8
	Updatable       bool   `json:"updatable,omitempty"`    // pg_relation_is_updatable & 4
	Deletable       bool   `json:"deletable,omitempty"`    // pg_relation_is_updatable & 16
	// InsteadOf says what only the triggers of a view make possible.
	InsteadOf InsteadOf `json:"instead_of,omitzero"`

	// Server is a foreign table's server; OwnedBy the column a sequence belongs to.
	Server  string     `json:"server,omitempty"`
	OwnedBy *ColumnRef `json:"owned_by,omitempty"`
}

// QName is a schema-qualified name.
type QName struct {
	Schema string `json:"schema"`
	Name   string `json:"name"`
}

// String returns schema.name, unquoted: for people. SQL uses [QName.SQL].
func (q QName) String() string { return q.Schema + "." + q.Name }

// QName returns the relation's name.
func (r *Relation) QName() QName { return QName{r.Schema, r.Name} }

// ColumnRef names a column of a relation.
type ColumnRef struct {
	Relation QName  `json:"relation"`
	Column   string `json:"column"`
}

// Estimate is what pg_class and pg_stat say about size.
type Estimate struct {
	Rows  float64 // reltuples; -1 when never analysed
	Bytes int64   // pg_relation_size from relpages: relpages × block size
}

// PartKey is how a partitioned table is partitioned. Columns holds "" for an
// expression.
type PartKey struct {
	Strategy string   `json:"strategy,omitempty"` // list, range, hash
	Columns  []string `json:"columns,omitempty"`
	Text     string   `json:"text,omitempty"` // pg_get_partkeydef
}

// Column is a column that is not dropped.
type Column struct {
	Num      int16  `json:"num"`
	Name     string `json:"name"`
	Type     string `json:"type"`      // format_type, e.g. character varying(20)
	TypeName QName  `json:"type_name"` // the type itself, e.g. pg_catalog.varchar
	// NotNull is false too for a NOT NULL constraint that is not validated (18).
	NotNull    bool        `json:"not_null"`
	Default    string      `json:"default,omitempty"`
	Identity   string      `json:"identity,omitempty"`  // "", always, by default
	Generated  string      `json:"generated,omitempty"` // "", stored, virtual
	Collation  string      `json:"collation,omitempty"` // when not the type's default
	Comment    string      `json:"comment,omitempty"`
	Privileges []Privilege `json:"privileges,omitempty"`
	// Origin is the column that a view's shows as it is, of a table or of another view.
	Origin *ColumnRef `json:"origin,omitempty"`
	// MostCommon is the largest frequency in pg_stats, 0 when unknown.
	MostCommon float64 `json:"-"`
}

// ConstraintType is pg_constraint.contype in words.
type ConstraintType string

// The kinds of constraint a Snapshot holds.
const (
	PrimaryKey ConstraintType = "primary key"
	Unique     ConstraintType = "unique"
	ForeignKey ConstraintType = "foreign key"
	Check      ConstraintType = "check"
	Exclude    ConstraintType = "exclude"
	NotNull    ConstraintType = "not null" // 18 and later
)

// Constraint is a constraint of a table, by column names in key order.
type Constraint struct {
	Name       string         `json:"name"`
	Type       ConstraintType `json:"type"`
	Columns    []string       `json:"columns,omitempty"`
	Definition string         `json:"definition"` // pg_get_constraintdef
	Validated  bool           `json:"validated"`
	Deferrable bool           `json:"deferrable,omitempty"`
	Deferred   bool           `json:"initially_deferred,omitempty"`
	Inherited  bool           `json:"inherited,omitempty"` // belongs to a parent's constraint
	// NotEnforced is true for NOT ENFORCED constraints (18 and later).
	NotEnforced bool   `json:"not_enforced,omitempty"`
	Index       string `json:"index,omitempty"`

	// Foreign keys. Actions are "no action", "restrict", "cascade", "set null",
	// "set default"; SetColumns the list of SET NULL (…) on 15 and later.
	References QName    `json:"references,omitzero"`
	RefColumns []string `json:"ref_columns,omitempty"`
	OnDelete   string   `json:"on_delete,omitempty"`
	OnUpdate   string   `json:"on_update,omitempty"`
	SetColumns []string `json:"set_columns,omitempty"`
	MatchFull  bool     `json:"match_full,omitempty"`
	// Operators of an EXCLUDE constraint, one a key column.
	Operators []string `json:"operators,omitempty"`
}

// Index is an index of a table. Keys excludes INCLUDE columns.
type Index struct {
	Name             string     `json:"name"`
	Method           string     `json:"method"` // btree, gin, …
	Unique           bool       `json:"unique,omitempty"`
	Primary          bool       `json:"primary,omitempty"`
	Valid            bool       `json:"valid"`
	Constraint       bool       `json:"constraint,omitempty"` // backs a constraint
	Inherited        bool       `json:"inherited,omitempty"`  // attached to a parent's index
	NullsNotDistinct bool       `json:"nulls_not_distinct,omitempty"`
	Predicate        string     `json:"predicate,omitempty"`
	Definition       string     `json:"definition"`
	Keys             []IndexKey `json:"keys"`
	Include          []string   `json:"include,omitempty"`
	Bytes            int64      `json:"-"`
}

// IndexKey is one key column or expression of an index.
type IndexKey struct {
	Column     string `json:"column,omitempty"` // "" for an expression
	Expression string `json:"expression,omitempty"`
	OpClass    string `json:"op_class"`
	Descending bool   `json:"descending,omitempty"`
	NullsFirst bool   `json:"nulls_first,omitempty"`
	// Leakproof is true when every search operator of the operator family for this
	// type is leakproof, and every function of the expression: only then can the planner
	// use the key ahead of a policy.
	Leakproof bool `json:"leakproof"`
	// Nearest is the operator, as SQL, that an index of this class orders by; "" where
	// it can also search, as all but those of nearest neighbours do.
	Nearest string `json:"nearest,omitempty"`
}

// NearestKey is the key that the index orders by distance, nil for any other index.
func (x Index) NearestKey() *IndexKey {
	if len(x.Keys) == 1 && x.Keys[0].Nearest != "" && x.Keys[0].Column != "" {
		return &x.Keys[0]
	}
	return nil
}

// GoesOnBy is the setting by which scans of the index go on until the policies have let enough
// rows through; "" where its access method has none.
func (x Index) GoesOnBy() string {
	if x.Method == "hnsw" || x.Method == "ivfflat" { // of pgvector
		return x.Method + ".iterative_scan"
	}
	return ""
}

// Policy is a row of pg_policy.
type Policy struct {
	Name       string   `json:"name"`
	Permissive bool     `json:"permissive"`
	Command    string   `json:"command"` // ALL, SELECT, INSERT, UPDATE, DELETE
	Roles      []string `json:"roles"`   // "" is PUBLIC
	Using      *Expr    `json:"using,omitempty"`
	Check      *Expr    `json:"check,omitempty"`
}

// Trigger is a trigger that is not internal.
type Trigger struct {
	Name       string `json:"name"`
	Function   QName  `json:"function"`
	Definition string `json:"definition"`
	Enabled    string `json:"enabled"` // origin, always, replica, disabled
	Constraint bool   `json:"constraint,omitempty"`
	Deferrable bool   `json:"deferrable,omitempty"`
	Inherited  bool   `json:"inherited,omitempty"` // cloned from the partitioned parent's
}

// InsteadOf are the commands on a view that INSTEAD OF triggers carry out.
type InsteadOf struct {
	Insert bool `json:"insert,omitempty"`
	Update bool `json:"update,omitempty"`
	Delete bool `json:"delete,omitempty"`
}

// Rule is a rewrite rule other than a view's _RETURN.
type Rule struct {
	Name       string `json:"name"`
	Event      string `json:"event"`
	Instead    bool   `json:"instead"`
	Definition string `json:"definition"`
	Enabled    string `json:"enabled"`
}

// Function is a function, procedure, aggregate or window function.
type Function struct {
	OID        OID         `json:"-"`
	Schema     string      `json:"schema"`
	Name       string      `json:"name"`
	Arguments  string      `json:"arguments"` // pg_get_function_identity_arguments
	Params     []Param     `json:"params,omitempty"`
	Result     string      `json:"result"` // pg_get_function_result; "" for procedures
	ReturnsSet bool        `json:"returns_set,omitempty"`
	OneRow     bool        `json:"one_row,omitempty"` // a set that is declared ROWS 1
	Kind       string      `json:"kind"`              // function, procedure, aggregate, window
	Owner      string      `json:"owner"`
	Language   string      `json:"language"`
	Definer    bool        `json:"security_definer"`
	Volatile   string      `json:"volatility"` // immutable, stable, volatile
	Leakproof  bool        `json:"leakproof"`
	Parallel   string      `json:"parallel"` // safe, restricted, unsafe
	Strict     bool        `json:"strict,omitempty"`
	Settings   []string    `json:"settings,omitempty"`    // proconfig, "name=value"
	Body       string      `json:"body"`                  // prosrc, or the deparsed SQL-standard body
	BodyParsed bool        `json:"body_parsed,omitempty"` // BEGIN ATOMIC: bound at creation
	Extension  string      `json:"extension,omitempty"`
	System     bool        `json:"system,omitempty"` // in pg_catalog
	Comment    string      `json:"comment,omitempty"`
	Privileges []Privilege `json:"privileges"`
	// Parts are the functions that an aggregate runs, with the rights of its owner to call them.
	Parts []OID `json:"-"`
	// LeakproofByDefault is set for system functions: what this major ships.
	LeakproofByDefault bool `json:"leakproof_by_default,omitempty"`
}

// Param is a parameter of a function. Mode is in, out, inout, variadic or table.
type Param struct {
	Name       string `json:"name"`
	Type       string `json:"type"`
	Mode       string `json:"mode"`
	HasDefault bool   `json:"has_default,omitempty"`
}

// Type is a user-defined type, domain, enum, composite or range.
type Type struct {
	Schema string `json:"schema"`
	Name   string `json:"name"`
	Kind   string `json:"kind"` // enum, domain, composite, range, multirange, base
	Owner  string `json:"owner"`
	// Extension is the extension it belongs to.
	Extension string   `json:"extension,omitempty"`
	Labels    []string `json:"labels,omitempty"` // of an enum, in order
	Base      string   `json:"base,omitempty"`   // of a domain: its base type
	// Attributes are those of a composite type, in order.
	Attributes []Attribute `json:"attributes,omitempty"`
	NotNull    bool        `json:"not_null,omitempty"`
	Checks     []string    `json:"checks,omitempty"`
	Default    string      `json:"default,omitempty"`
	// Privileges are USAGE grants.
	Privileges []Privilege `json:"privileges,omitempty"`
}

// Attribute is one of a composite type's; its type is printed by format_type.
type Attribute struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// Cast is a cast by a function between a domain and json or text: how the domain's values
// look to clients, where the database says so.
type Cast struct {
	Domain QName `json:"domain"`
	// Into says that the function makes the domain's value of the other; else it is the
	// other way round.
	Into     bool   `json:"into"`
	Other    string `json:"other"` // json or text
	Function OID    `json:"-"`
}

// Collation is a collation that some column uses.
type Collation struct {
	Schema        string `json:"schema"`
	Name          string `json:"name"`
	Deterministic bool   `json:"deterministic"`
}

// Extension is an installed extension.
type Extension struct {
	Name    string `json:"name"`
	Schema  string `json:"schema"`
	Version string `json:"version"`
}

// Publication is a publication with the tables it sends.
type Publication struct {
	Name      string  `json:"name"`
	Owner     string  `json:"owner"`
	AllTables bool    `json:"all_tables"`
	Tables    []QName `json:"tables,omitempty"` // resolved from pg_publication_tables
}

// EventTrigger is a row of pg_event_trigger.
type EventTrigger struct {
	Name     string   `json:"name"`
	Event    string   `json:"event"`
	Function QName    `json:"function"`
	Owner    string   `json:"owner"`
	Enabled  string   `json:"enabled"` // origin, always, replica, disabled
	Tags     []string `json:"tags,omitempty"`
}

// DefaultPrivilege is one grant of ALTER DEFAULT PRIVILEGES. Schema "" is all.
type DefaultPrivilege struct {
	Role      string    `json:"role"` // the creating role
	Schema    string    `json:"schema"`
	Object    string    `json:"object"` // tables, sequences, functions, types, schemas
	Privilege Privilege `json:"privilege"`
}

// StoredSetting is one entry of pg_db_role_setting that concerns this database.
// Role "" is every role, Database "" every database.
type StoredSetting struct {
	Role     string `json:"role"`
	Database string `json:"database"`
	Name     string `json:"name"`
	Value    string `json:"value"`
}

// ParameterGrant is a grant on a configuration parameter (15 and later).
type ParameterGrant struct {
	Name      string    `json:"name"`
	Privilege Privilege `json:"privilege"`
}

// SystemTable is a table of pg_catalog that holds values of rows, or secrets, with what was
// granted on it.
type SystemTable struct {
	Name       string      `json:"name"`
	Privileges []Privilege `json:"privileges"`
}

// ForeignServer is a foreign server with its user mappings' role names ("" is
// PUBLIC). Options are left out: they hold passwords.
type ForeignServer struct {
	Name       string      `json:"name"`
	Wrapper    string      `json:"wrapper"`
	Owner      string      `json:"owner"`
	Mappings   []string    `json:"mappings,omitempty"`
	Privileges []Privilege `json:"privileges,omitempty"`
}

// RelationDependency says that a view, materialized view, rule or SQL-standard
// function reads a relation (pg_depend through pg_rewrite or pg_proc). Rule is
// the rule's name, "_RETURN" for a view's own query.
type RelationDependency struct {
	From QName `json:"from"` // the view, the table that carries the rule, or the function
	// Function is true when From is an SQL-standard function; Arguments are its.
	Function  bool   `json:"function,omitempty"`
	Arguments string `json:"arguments,omitempty"`
	Rule      string `json:"rule,omitempty"`
	On        QName  `json:"on"`
	// Columns are the columns read, empty when the whole row is.
	Columns []string `json:"columns,omitempty"`
}

// String returns schema.table.column, unquoted: for people.
func (c ColumnRef) String() string { return c.Relation.String() + "." + c.Column }

// WriteExpr is what rows that the policy admits must meet: WITH CHECK, and USING where
// there is none.
func (p *Policy) WriteExpr() *Expr {
	if p.Check != nil || p.Command == "INSERT" {
		return p.Check
	}
	return p.Using
}
