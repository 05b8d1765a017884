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

// Attack is one kind of probe: [Probe.Attack] names it.
type Attack struct {
	ID    string
	Room  Room
	Title string // what is tried, in one line
	// Needs is what must be there for it to show anything.
	Needs string
	When  When
}

// What attacks need.
const (
	connection = "a connection of the application role"
	rowsOfBoth = "rows of tenants A and B"
	rowsOfB    = "a row of tenant B"
	planted    = "an operator who can act as the application role"
	twoTokens  = "a token of each tenant"
	pooled     = "a pool, and two tenants with rows"
)

// Attacks lists every kind of probe, in the order of the reference page.
func Attacks() []Attack {
	return []Attack{
		{"read", Database, "SELECT of another tenant's rows", rowsOfBoth, Always},
		{"join", Database, "Another tenant's rows through an outer join", rowsOfBoth, Always},
		{"sub-select", Database, "Another tenant's rows through a scalar sub-select", rowsOfBoth, Always},
		{"aggregate", Database, "Another tenant's rows through an aggregate and HAVING", rowsOfBoth, Always},
		{"count", Database, "A count without WHERE", rowsOfBoth, Always},
		{"cursor", Database, "Another tenant's rows through a cursor", rowsOfBoth, Always},
		{"copy", Database, "COPY TO of a query and of the table", rowsOfBoth, Always},
		{"explain analyze", Database, "The row counts that EXPLAIN ANALYZE prints", rowsOfBoth, Always},
		{"savepoint", Database, "The tenant after a rollback to a savepoint", rowsOfBoth, Always},
		{"row_security", Database, "Reading with row_security off", rowsOfBoth, Always},
		{"lock", Database, "SELECT FOR UPDATE of another tenant's rows", rowsOfBoth, Always},
		{"prepared plan", Database, "A generic plan that was made for another tenant", rowsOfBoth, Always},
		{"leakproof function", Database, "A function marked LEAKPROOF that tells what it sees", rowsOfBoth, Always},
		{"leaky operator", Database, "A function that sees values before the policy filters them", rowsOfBoth, Always},
		{"insert", Database, "INSERT of a row for another tenant", rowsOfB, Always},
		{"insert for all", Database, "INSERT of a row without a tenant, which everybody would read", rowsOfB, Always},
		{"returning", Database, "RETURNING of another tenant's row", rowsOfBoth, Always},
		{"upsert", Database, "INSERT … ON CONFLICT onto another tenant's row", rowsOfBoth, Always},
		{"update", Database, "UPDATE of another tenant's rows, also without WHERE", rowsOfBoth, Always},
		{"move", Database, "UPDATE that gives a row to another tenant", rowsOfBoth, Always},
		{"delete", Database, "DELETE of another tenant's rows, also without WHERE", rowsOfBoth, Always},
		{"merge", Database, "MERGE onto and into another tenant's rows", rowsOfBoth, Always},
		{"truncate", Database, "TRUNCATE", connection, Always},
		{"duplicate key", Database, "The error that tells that another tenant has a value", rowsOfBoth, Always},
		{"surrogate key", Database, "The error that tells that another tenant has a surrogate key", rowsOfBoth, Strict},
		{"foreign key", Database, "A reference to another tenant's row", rowsOfBoth, Always},
		{"cascade", Database, "A change that a foreign key carries to another tenant's rows", planted, Always},
		{"flag", Database, "Settings and helper values that open a policy", rowsOfBoth, Always},
		{"shadowed table", Database, "A temporary table in place of the one that a policy reads", rowsOfBoth, Always},
		{"planted rows", Database, "Planted rows of every shape that the table allows", planted, Always},
		{"owner", Database, "Reading as the table's owner", planted, Always},
		{"trigger", Database, "What triggers show or write of another tenant", planted, Always},
		{"rule", Database, "What rules show or write of another tenant", planted, Always},
		{"table without tenant", Database, "What a table without a tenant shows of another tenant", planted, Always},
		{"foreign table", Database, "What a foreign table shows of another tenant", planted, Always},
		{"view", Database, "What a view shows of another tenant", planted, Always},
		{"view write", Database, "Writing another tenant's rows through a view", planted, Always},
		{"materialized view", Database, "What a materialized view shows of another tenant", planted, Always},
		{"definer function", Database, "What a SECURITY DEFINER function returns or changes of another tenant", planted,
			Always},
		{"function", Database, "What a function returns or changes of another tenant", planted, Always},
		{"no tenant", Database, "Every relation on a fresh connection without a tenant", connection, Always},
		{"empty tenant", Database, "Every relation with an empty tenant", connection, Always},
		{"wildcard tenant", Database, "Every relation with a pattern for a tenant", connection, Always},
		{"unknown tenant", Database, "Every relation with a tenant that does not exist", connection, Always},
		{"stored tenant", Database, "A tenant stored with the role or the database", connection, Always},
		{"reset role", Database, "RESET ROLE and its like", connection, Always},
		{"session authorization", Database, "SET SESSION AUTHORIZATION", connection, Always},
		{"set role", Database, "SET ROLE to roles that see more", connection, Always},
		{"grant role", Database, "Granting itself a role", connection, Always},
		{"alter", Database, "Switching row-level security off", connection, Always},
		{"drop", Database, "Dropping the table", connection, Always},
		{"create trigger", Database, "A trigger of its own on the table", connection, Always},
		{"create reference", Database, "A foreign key of its own to the table", connection, Always},
		{"maintain", Database, "Maintenance commands that show or lock other tenants' rows", connection, Always},
		{"replication", Database, "Logical replication, which knows no policies", connection, Always},
		{"server files", Database, "Reading and running files of the server", connection, Always},
		{"monitor", Database, "The predefined roles that see other sessions", connection, Always},
		{"statistics", Database, "Values of other tenants in planner statistics", rowsOfB, Always},
		{"catalog", Database, "Ids of other tenants in definitions", connection, Strict},
		{"activity", Database, "Statements of other sessions", connection, Strict},
		{"cancel", Database, "Cancelling other sessions", connection, Strict},
		{"large object", Database, "Large objects of other tenants", connection, Strict},
		{"prepared transaction", Database, "Finishing others' prepared transactions", connection, Strict},
		{"temporary table", Database, "Creating temporary tables", connection, Strict},
		{"create", Database, "Creating objects in a schema that others search", connection, Always},
		{"sequence", Database, "The last value of a sequence", connection, Strict},
		{"set sequence", Database, "Setting a sequence that others draw from", connection, Disposable},
		{"forge in an expression", Database, "In sealed mode, another tenant by set_config", connection, Always},
		{"forge by SET LOCAL", Database, "In sealed mode, another tenant by SET LOCAL", connection, Always},
		{"forge in a block", Database, "In sealed mode, another tenant in a DO block", connection, Always},
		{"forge in a savepoint", Database, "In sealed mode, another tenant inside a savepoint", connection, Always},
		{"forge after RESET ALL", Database, "In sealed mode, another tenant after RESET ALL", connection, Always},
		{"forge for the session", Database, "In sealed mode, another tenant for the session", connection, Always},
		{"forge by changed tenant", Database, "In sealed mode, another tenant with the signature of the first", connection,
			Always},

		{"nothing", Pool, "A pool at rest", pooled, Always},
		{"query", Pool, "An ordinary query", pooled, Always},
		{"cancel", Pool, "A query that its caller cancels", pooled, Always},
		{"deadline", Pool, "A query that runs into its deadline", pooled, Always},
		{"cancelled before", Pool, "A query that is cancelled before it starts", pooled, Always},
		{"failing statement", Pool, "A statement that fails", pooled, Always},
		{"syntax error", Pool, "A statement that cannot be parsed", pooled, Always},
		{"broken connection", Pool, "A connection that the server ends", pooled, Always},
		{"panic", Pool, "A borrower that panics", pooled, Always},
		{"open transaction", Pool, "A transaction left open", pooled, Hostile},
		{"session-level tenant", Pool, "A tenant set for the session by set_config", pooled, Hostile},
		{"session-level tenant by SET", Pool, "A tenant set for the session by SET", pooled, Hostile},
		{"held cursor", Pool, "A cursor held beyond the transaction", pooled, Hostile},
		{"temporary table", Pool, "A temporary table left behind", pooled, Hostile},
		{"prepared statement", Pool, "A prepared statement left behind", pooled, Hostile},
		{"mailbox", Pool, "A setting left behind for a later borrower", pooled, Hostile},
		{"advisory lock", Pool, "An advisory lock left behind", pooled, Hostile},
		{"listen", Pool, "A channel still listened to", pooled, Hostile},
		{"search path", Pool, "A search_path left behind", pooled, Hostile},
		{"statement timeout", Pool, "A statement_timeout left behind", pooled, Hostile},
		{"interleaved borrowings", Pool, "Thousands of borrowings of many tenants at once", pooled, Always},

		{"list", API, "Lists, counts and other media types", twoTokens, Always},
		{"filter", API, "Filters that name another tenant or its rows", twoTokens, Always},
		{"order and range", API, "Orders, ranges and offsets", twoTokens, Always},
		{"embed", API, "Related rows of other tables", twoTokens, Always},
		{"update", API, "Changing another tenant's rows", twoTokens, Always},
		{"insert", API, "Creating rows for another tenant", twoTokens, Disposable},
		{"delete", API, "Deleting another tenant's rows", twoTokens, Disposable},
		{"still there", API, "Whether another tenant's rows are still there", twoTokens, Disposable},
		{"header", API, "Headers that name another tenant", twoTokens, Always},
		{"token", API, "Changed, unsigned and foreign tokens", twoTokens, Always},
		{"error", API, "Values of other tenants in errors", twoTokens, Always},
		{"timing", API, "Answers that take longer where another tenant has a row", twoTokens, Strict},
		{"generated requests", API, "Generated requests over the whole language", twoTokens, Always},
	}
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
