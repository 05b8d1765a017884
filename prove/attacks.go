package prove

// Room is what an attack is made on.
type Room string

// The rooms, each a package below this one.
const (
	Database Room = "database"
	Pool     Room = "pool"
	API      Room = "api" // package rest
)

// When says when an attack is made.
type When string

// An attack is made always, or only with an option.
const (
	Always     When = "always"
	Strict     When = "strict"
	Disposable When = "disposable"
	Hostile    When = "hostile"
)

// Family is what an attack is about: reports arrange probes by it.
type Family string

// The families, in the order in which reports show them.
const (
	Reading  Family = "Reading"
	Writing  Family = "Writing"
	Unbound  Family = "Without a tenant of its own"
	Keys     Family = "Keys, references, triggers"
	Objects  Family = "Views and functions"
	Rights   Family = "Ownership and rights"
	Role     Family = "The role and its connection"
	Sealed   Family = "Sealed mode"
	Reuse    Family = "Connections that are used again"
	Requests Family = "Requests"
)

// Families lists them.
func Families() []Family {
	return []Family{Reading, Writing, Unbound, Keys, Objects, Rights, Role, Sealed, Reuse, Requests}
}

// Attack is one kind of probe: [Probe.Attack] names it.
type Attack struct {
	ID     string
	Room   Room
	Family Family
	Title  string // what is tried, in one line
	// Needs is what must be there for it to show anything.
	Needs string
	When  When
}

// What attacks need.
const (
	connection = "a connection of the application role"
	rowsOfBoth = "rows of tenants A and B"
	shapes     = "a declared shape"
	rowsOfB    = "a row of tenant B"
	planted    = "an operator who can act as the application role"
	twoTokens  = "a token of each tenant"
	pooled     = "a pool, and two tenants with rows"
)

// Attacks lists every kind of probe, in the order of the reference page.
func Attacks() []Attack {
	return []Attack{
		{"read", Database, Reading, "SELECT of another tenant's rows", rowsOfBoth, Always},
		{"join", Database, Reading, "Another tenant's rows through an outer join", rowsOfBoth, Always},
		{"sub-select", Database, Reading, "Another tenant's rows through a scalar sub-select", rowsOfBoth, Always},
		{"aggregate", Database, Reading, "Another tenant's rows through an aggregate and HAVING", rowsOfBoth, Always},
		{"count", Database, Reading, "A count without WHERE", rowsOfBoth, Always},
		{"cursor", Database, Reading, "Another tenant's rows through a cursor", rowsOfBoth, Always},
		{"copy", Database, Reading, "COPY TO of a query and of the table", rowsOfBoth, Always},
		{"explain analyze", Database, Reading, "The row counts that EXPLAIN ANALYZE prints", rowsOfBoth, Always},
		{"savepoint", Database, Reading, "The tenant after a rollback to a savepoint", rowsOfBoth, Always},
		{"row_security", Database, Reading, "Reading with row_security off", rowsOfBoth, Always},
		{"lock", Database, Reading, "SELECT FOR UPDATE of another tenant's rows", rowsOfBoth, Always},
		{"prepared plan", Database, Reading, "A generic plan that was made for another tenant", rowsOfBoth, Always},
		{"leakproof function", Database, Reading, "A function marked LEAKPROOF that tells what it sees",
			rowsOfBoth, Always},
		{"leaky operator", Database, Reading, "A function that sees values before the policy filters them",
			rowsOfBoth, Always},
		{"nearest", Database, Reading, "How many of its own nearest rows a search returns beside another tenant's", planted,
			Always},
		{"nearest at once", Database, Reading, "The same with scans that end after the first candidates", planted, Strict},
		{"insert", Database, Writing, "INSERT of a row for another tenant", rowsOfB, Always},
		{"insert for all", Database, Writing, "INSERT of a row without a tenant, which everybody would read",
			rowsOfB, Always},
		{"returning", Database, Writing, "RETURNING of another tenant's row", rowsOfBoth, Always},
		{"upsert", Database, Writing, "INSERT … ON CONFLICT onto another tenant's row", rowsOfBoth, Always},
		{"upsert oracle", Database, Writing, "What the WHERE of ON CONFLICT sees of another tenant's row",
			rowsOfBoth, Always},
		{"update", Database, Writing, "UPDATE of another tenant's rows, also without WHERE", rowsOfBoth, Always},
		{"move", Database, Writing, "UPDATE that gives a row to another tenant", rowsOfBoth, Always},
		{"delete", Database, Writing, "DELETE of another tenant's rows, also without WHERE", rowsOfBoth, Always},
		{"merge", Database, Writing, "MERGE onto and into another tenant's rows", rowsOfBoth, Always},
		{"truncate", Database, Writing, "TRUNCATE", connection, Always},
		{"duplicate key", Database, Keys, "The error that tells that another tenant has a value", rowsOfBoth, Always},
		{"surrogate key", Database, Keys, "The error that tells that another tenant has a surrogate key",
			rowsOfBoth, Strict},
		{"foreign key", Database, Keys, "A reference to another tenant's row", rowsOfBoth, Always},
		{"cascade", Database, Keys, "A change that a foreign key carries to another tenant's rows", planted, Always},
		{"flag", Database, Unbound, "Settings and helper values that open a policy", rowsOfBoth, Always},
		{"shadowed table", Database, Unbound, "A temporary table in place of the one that a policy reads",
			rowsOfBoth, Always},
		{"planted rows", Database, Reading, "Planted rows of every shape that the table allows", planted, Always},
		{"owner", Database, Rights, "Reading as the table's owner", planted, Always},
		{"trigger", Database, Keys, "What triggers show or write of another tenant", planted, Always},
		{"trigger lookup", Database, Keys, "What triggers do with a row that names another tenant's", planted, Always},
		{"left behind", Database, Keys, "What runs with its own writes leaves of another tenant, in any form", planted,
			Always},
		{"rule", Database, Keys, "What rules show or write of another tenant", planted, Always},
		{"table without tenant", Database, Objects, "What a table without a tenant shows of another tenant",
			planted, Always},
		{"foreign table", Database, Objects, "What a foreign table shows of another tenant", planted, Always},
		{"view", Database, Objects, "What a view shows of another tenant", planted, Always},
		{"view write", Database, Writing, "Writing another tenant's rows through a view", planted, Always},
		{"refresh", Database, Objects, "What a materialized view shows after another tenant refreshed it", planted, Always},
		{"materialized view", Database, Objects, "What a materialized view shows of another tenant", planted, Always},
		{"definer function",
			Database, Objects, "What a SECURITY DEFINER function returns or changes of another tenant", planted, Always},
		{"function", Database, Objects, "What a function returns or changes of another tenant", planted, Always},
		{"no tenant", Database, Unbound, "Every relation on a fresh connection without a tenant", connection, Always},
		{"empty tenant", Database, Unbound, "Every relation with an empty tenant", connection, Always},
		{"wildcard tenant", Database, Unbound, "Every relation with a pattern for a tenant", connection, Always},
		{"unknown tenant", Database, Unbound, "Every relation with a tenant that does not exist", connection, Always},
		{"look-alike tenant", Database, Unbound, "Every relation with a tenant whose id a collation calls equal", rowsOfBoth,
			Always},
		{"reachable tables", Database, Role, "Whether the role reaches any table of tenants", connection, Always},
		{"stored tenant", Database, Role, "A tenant stored with the role or the database", connection, Always},
		{"reset role", Database, Role, "RESET ROLE and its like", connection, Always},
		{"session authorization", Database, Role, "SET SESSION AUTHORIZATION", connection, Always},
		{"set role", Database, Role, "SET ROLE to roles that see more", connection, Always},
		{"grant role", Database, Role, "Granting itself a role", connection, Always},
		{"unprotected", Database, Rights, "A table of tenants that only a missing grant keeps shut", connection, Always},
		{"alter", Database, Rights, "Switching row-level security off", connection, Always},
		{"drop", Database, Rights, "Dropping the table", connection, Always},
		{"create trigger", Database, Rights, "A trigger of its own on the table", connection, Always},
		{"create reference", Database, Rights, "A foreign key of its own to the table", connection, Always},
		{"maintain", Database, Rights, "Maintenance commands that show or lock other tenants' rows",
			connection, Always},
		{"replication", Database, Role, "Logical replication, which knows no policies", connection, Always},
		{"server files", Database, Role, "Reading and running files of the server", connection, Always},
		{"monitor", Database, Role, "The predefined roles that see other sessions", connection, Always},
		{"statistics", Database, Role, "Values of other tenants in planner statistics", rowsOfB, Always},
		{"catalog", Database, Role, "Ids of other tenants in definitions", connection, Strict},
		{"activity", Database, Role, "Statements of other sessions", connection, Strict},
		{"cancel", Database, Role, "Cancelling other sessions", connection, Strict},
		{"large object", Database, Role, "Large objects of other tenants", connection, Strict},
		{"prepared transaction", Database, Role, "Finishing others' prepared transactions", connection, Strict},
		{"temporary table", Database, Role, "Creating temporary tables", connection, Strict},
		{"create", Database, Role, "Creating objects in a schema that others search", connection, Always},
		{"next table", Database, Rights, "What the next table will be open to", planted, Always},
		{"replace function", Database, Rights, "A body of its own in a function that others call", planted, Always},
		{"visible set", Database, Reading, "Each caller's rows of a shape, both ways", shapes, Always},
		{"update set", Database, Writing, "What each caller updates of a shape, without WHERE", shapes, Always},
		{"delete set", Database, Writing, "What each caller deletes of a shape, without WHERE", shapes, Always},
		{"hand over", Database, Writing, "Another tenant in a column that says whose a row is", shapes, Always},
		{"pairs of the tree", Database, Reading, "The closure of a tree, and a pair added to it", "a tree", Always},
		{"secret", Database, Role, "Keys and passwords in function bodies and settings", connection, Always},
		{"loopback", Database, Role, "A second connection, from inside the server", connection, Always},
		{"sequence", Database, Role, "The last value of a sequence", connection, Strict},
		{"set sequence", Database, Role, "Setting a sequence that others draw from", connection, Disposable},
		{"forge in an expression", Database, Sealed, "In sealed mode, another tenant by set_config",
			connection, Always},
		{"forge by SET LOCAL", Database, Sealed, "In sealed mode, another tenant by SET LOCAL", connection, Always},
		{"forge in a block", Database, Sealed, "In sealed mode, another tenant in a DO block", connection, Always},
		{"forge in a savepoint", Database, Sealed, "In sealed mode, another tenant inside a savepoint",
			connection, Always},
		{"forge after RESET ALL", Database, Sealed, "In sealed mode, another tenant after RESET ALL",
			connection, Always},
		{"forge for the session", Database, Sealed, "In sealed mode, another tenant for the session",
			connection, Always},
		{"forge by changed tenant", Database, Sealed, "In sealed mode, another tenant with the signature of the first",
			connection, Always},

		{"nothing", Pool, Reuse, "A pool at rest", pooled, Always},
		{"query", Pool, Reuse, "An ordinary query", pooled, Always},
		{"cancel", Pool, Reuse, "A query that its caller cancels", pooled, Always},
		{"deadline", Pool, Reuse, "A query that runs into its deadline", pooled, Always},
		{"cancelled before", Pool, Reuse, "A query that is cancelled before it starts", pooled, Always},
		{"failing statement", Pool, Reuse, "A statement that fails", pooled, Always},
		{"syntax error", Pool, Reuse, "A statement that cannot be parsed", pooled, Always},
		{"broken connection", Pool, Reuse, "A connection that the server ends", pooled, Always},
		{"panic", Pool, Reuse, "A borrower that panics", pooled, Always},
		{"open transaction", Pool, Reuse, "A transaction left open", pooled, Hostile},
		{"session-level tenant", Pool, Reuse, "A tenant set for the session by set_config", pooled, Hostile},
		{"session-level tenant by SET", Pool, Reuse, "A tenant set for the session by SET", pooled, Hostile},
		{"held cursor", Pool, Reuse, "A cursor held beyond the transaction", pooled, Hostile},
		{"temporary table", Pool, Reuse, "A temporary table left behind", pooled, Hostile},
		{"prepared statement", Pool, Reuse, "A prepared statement left behind", pooled, Hostile},
		{"mailbox", Pool, Reuse, "A setting left behind for a later borrower", pooled, Hostile},
		{"advisory lock", Pool, Reuse, "An advisory lock left behind", pooled, Hostile},
		{"listen", Pool, Reuse, "A channel still listened to", pooled, Hostile},
		{"search path", Pool, Reuse, "A search_path left behind", pooled, Hostile},
		{"statement timeout", Pool, Reuse, "A statement_timeout left behind", pooled, Hostile},
		{"interleaved borrowings", Pool, Reuse, "Thousands of borrowings of many tenants at once", pooled, Always},

		{"list", API, Requests, "Lists, counts and other media types", twoTokens, Always},
		{"filter", API, Requests, "Filters that name another tenant or its rows", twoTokens, Always},
		{"order and range", API, Requests, "Orders, ranges and offsets", twoTokens, Always},
		{"embed", API, Requests, "Related rows of other tables", twoTokens, Always},
		{"update", API, Requests, "Changing another tenant's rows", twoTokens, Always},
		{"insert", API, Requests, "Creating rows for another tenant", twoTokens, Disposable},
		{"delete", API, Requests, "Deleting another tenant's rows", twoTokens, Disposable},
		{"still there", API, Requests, "Whether another tenant's rows are still there", twoTokens, Disposable},
		{"header", API, Requests, "Headers that name another tenant", twoTokens, Always},
		{"token", API, Requests, "Changed, unsigned and foreign tokens", twoTokens, Always},
		{"error", API, Requests, "Values of other tenants in errors", twoTokens, Always},
		{"timing", API, Requests, "Answers that take longer where another tenant has a row", twoTokens, Strict},
		{"generated requests", API, Requests, "Generated requests over the whole language", twoTokens, Always},
	}
}

// FamilyOf returns the family of a probe's attack.
func FamilyOf(p Probe) Family {
	if a := Registered(p.Room, p.Attack); a != nil {
		return a.Family
	}
	return Objects
}

// Acceptable returns the rule of audit by which a baseline may accept what an attack
// finds: attacks that tell of other tenants without showing or changing a row. It is ""
// for all others, which nobody can accept.
func Acceptable(attack string) string {
	return map[string]string{
		"duplicate key": "key-unique", "surrogate key": "key-surrogate", "foreign key": "key-foreign-key",
		"sequence": "grant-sequence", "set sequence": "grant-sequence", "catalog": "key-tenant-partitions",
		"create": "grant-create-schema", "create reference": "grant-references", "temporary table": "session-temp",
		"activity": "session-activity", "cancel": "session-cancel", "large object": "session-large-objects",
	}[attack]
}

// Registered returns the attack of a room by its id, nil when there is none.
func Registered(room Room, id string) *Attack {
	for _, a := range Attacks() {
		if a.Room == room && a.ID == id {
			return &a
		}
	}
	return nil
}
