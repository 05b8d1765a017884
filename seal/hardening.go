package seal

import (
	"fmt"
	"strings"

	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/internal/sqltext"
)

// Measure closes something that SQL on the application's connection can do apart from
// reading rows. Measures are independent, and each may break a program that uses what
// it revokes.
type Measure struct {
	// ID names it: "temp", "activity".
	ID string
	// Title says what it takes away.
	Title string
	// Why says what an attacker does with it.
	Why string
	// Breaks says what stops working for the program or for others.
	Breaks string
	// SQL takes it away; running it again changes nothing. Undo gives it back as
	// PostgreSQL comes.
	SQL, Undo []string
	// Superuser says that only a superuser may run it.
	Superuser bool
}

// HardeningOptions name what the measures are for.
type HardeningOptions struct {
	// Database is the database's name; required.
	Database string
	// Application is the application role; required.
	Application string
	// Owner is the role that owns the functions of sealed mode. Zero means
	// [DefaultOwner].
	Owner string
}

// Hardening lists the measures, the most important first. docs/explanation/threat-model.md
// says what they leave open.
func Hardening(o HardeningOptions) []Measure {
	if o.Owner == "" {
		o.Owner = DefaultOwner
	}
	database, app := sqltext.Ident(o.Database), sqltext.Ident(o.Application)
	return []Measure{
		{ID: "temp", Title: "temporary tables",
			Why:    "a temporary table takes the place of a real one for the next tenant of the connection",
			Breaks: "programs that use temporary tables, in this database",
			SQL:    []string{"REVOKE TEMPORARY ON DATABASE " + database + " FROM PUBLIC, " + app},
			Undo:   []string{"GRANT TEMPORARY ON DATABASE " + database + " TO PUBLIC"}},
		{ID: "create", Title: "objects in schema public",
			Why:    "an attacker's function or table is found along the search path of others",
			Breaks: "programs that create tables at run time",
			SQL:    []string{"REVOKE CREATE ON SCHEMA public FROM PUBLIC, " + app},
			Undo:   []string{"GRANT CREATE ON SCHEMA public TO PUBLIC"}},
		{ID: "activity", Superuser: true, Title: "other sessions' statements",
			Why:    "pg_stat_activity shows the statements of every session of the same role, literals included",
			Breaks: "monitoring by roles that are not members of pg_read_all_stats",
			SQL: append(functions("REVOKE EXECUTE", "FROM PUBLIC", activityFunctions),
				"REVOKE SELECT ON pg_catalog.pg_stat_activity FROM PUBLIC",
				"GRANT SELECT ON pg_catalog.pg_stat_activity TO pg_read_all_stats",
				"GRANT EXECUTE ON FUNCTION pg_catalog.pg_stat_get_activity(integer) TO pg_read_all_stats, "+sqltext.Ident(o.Owner)),
			Undo: append(functions("GRANT EXECUTE", "TO PUBLIC", activityFunctions),
				"GRANT SELECT ON pg_catalog.pg_stat_activity TO PUBLIC")},
		{ID: "cancel", Superuser: true, Title: "ending other sessions",
			Why:    "a session can cancel and end every session of the same role: those of all tenants",
			Breaks: "programs that cancel by SQL; drivers cancel through the protocol, which continues to work",
			SQL:    functions("REVOKE EXECUTE", "FROM PUBLIC", cancelFunctions),
			Undo:   functions("GRANT EXECUTE", "TO PUBLIC", cancelFunctions)},
		{ID: "large_objects", Superuser: true, Title: "large objects",
			Why:    "they have no row-level security: every tenant can read what one writes",
			Breaks: "programs that use large objects",
			SQL:    functions("REVOKE EXECUTE", "FROM PUBLIC", largeObjectFunctions),
			Undo:   functions("GRANT EXECUTE", "TO PUBLIC", largeObjectFunctions)},
		{ID: "advisory_locks", Superuser: true, Title: "advisory locks",
			Why:    "all tenants share one namespace: anyone can hold a lock that a program waits for, for ever",
			Breaks: "programs, and migration tools under the application role, that use them",
			SQL:    functions("REVOKE EXECUTE", "FROM PUBLIC", advisoryFunctions),
			Undo:   functions("GRANT EXECUTE", "TO PUBLIC", advisoryFunctions)},
		{ID: "query_functions", Superuser: true, Title: "queries inside expressions",
			Why:    "query_to_xml and similar functions turn an injected expression into a whole query",
			Breaks: "programs that use them to export XML",
			SQL:    functions("REVOKE EXECUTE", "FROM PUBLIC", xmlFunctions),
			Undo:   functions("GRANT EXECUTE", "TO PUBLIC", xmlFunctions)},
		{ID: "limits", Title: "endless statements and transactions",
			Why:    "a long statement, lock or idle transaction blocks the others",
			Breaks: "statements of more than 30 s; a session can raise the limits, so they stop only accidents",
			SQL: []string{
				"ALTER ROLE " + app + " SET statement_timeout = '30s'",
				"ALTER ROLE " + app + " SET lock_timeout = '10s'",
				"ALTER ROLE " + app + " SET idle_in_transaction_session_timeout = '60s'",
			},
			Undo: []string{
				"ALTER ROLE " + app + " RESET statement_timeout", "ALTER ROLE " + app + " RESET lock_timeout",
				"ALTER ROLE " + app + " RESET idle_in_transaction_session_timeout",
			}},
		{ID: "disk", Superuser: true, Title: "unlimited temporary files",
			Why:    "a sort or join of one session fills the disk; the session cannot raise this limit",
			Breaks: "single statements that need more than 1 GB of temporary files",
			SQL:    []string{"ALTER ROLE " + app + " SET temp_file_limit = '1GB'"},
			Undo:   []string{"ALTER ROLE " + app + " RESET temp_file_limit"}},
	}
}

// functions renders one statement for functions of pg_catalog.
func functions(verb, to string, names []string) []string {
	qualified := list.Map(names, func(n string) string { return "pg_catalog." + n })
	return []string{fmt.Sprintf("%s ON FUNCTION %s %s", verb, strings.Join(qualified, ", "), to)}
}

var (
	activityFunctions = []string{"pg_stat_get_activity(integer)", "pg_stat_get_backend_activity(integer)"}
	cancelFunctions   = []string{"pg_cancel_backend(integer)", "pg_terminate_backend(integer, bigint)"}

	largeObjectFunctions = []string{"lo_creat(integer)", "lo_create(oid)", "lo_from_bytea(oid, bytea)",
		"lo_open(oid, integer)", "lo_get(oid)", "lo_get(oid, bigint, integer)", "lo_put(oid, bigint, bytea)",
		"lo_unlink(oid)"}

	advisoryFunctions = []string{
		"pg_advisory_lock(bigint)", "pg_advisory_lock(integer, integer)",
		"pg_advisory_lock_shared(bigint)", "pg_advisory_lock_shared(integer, integer)",
		"pg_try_advisory_lock(bigint)", "pg_try_advisory_lock(integer, integer)",
		"pg_try_advisory_lock_shared(bigint)", "pg_try_advisory_lock_shared(integer, integer)",
		"pg_advisory_xact_lock(bigint)", "pg_advisory_xact_lock(integer, integer)",
		"pg_advisory_xact_lock_shared(bigint)", "pg_advisory_xact_lock_shared(integer, integer)",
		"pg_try_advisory_xact_lock(bigint)", "pg_try_advisory_xact_lock(integer, integer)",
		"pg_try_advisory_xact_lock_shared(bigint)", "pg_try_advisory_xact_lock_shared(integer, integer)",
	}

	xmlFunctions = []string{
		"query_to_xml(text, boolean, boolean, text)", "query_to_xml_and_xmlschema(text, boolean, boolean, text)",
		"query_to_xmlschema(text, boolean, boolean, text)", "cursor_to_xml(refcursor, integer, boolean, boolean, text)",
		"table_to_xml(regclass, boolean, boolean, text)", "schema_to_xml(name, boolean, boolean, text)",
		"database_to_xml(boolean, boolean, text)", "ts_stat(text)", "ts_stat(text, text)", "ts_rewrite(tsquery, text)",
	}
)
