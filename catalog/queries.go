package catalog

import (
	"embed"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

//go:embed queries/*.sql
var queryFiles embed.FS

// query is one question to the catalog: a file of queries/ and what reads its rows.
type query struct {
	name string
	args []any
	read func(pgx.Rows) error
	// optional is true for a query without which the rest still has a meaning.
	optional bool
}

// queries lists them in the order in which they are read: each may rely on what
// those before it left in the loader.
func (l *loader) queries() []query {
	must := func(name string, read func(pgx.Rows) error) query {
		return query{name: name, read: read}
	}
	may := func(name string, read func(pgx.Rows) error) query {
		return query{name: name, read: read, optional: true}
	}
	// named is for the names of what has numbers in the trees of policies.
	named := func(name string, read func(pgx.Rows) error) query {
		return query{name: name, args: []any{l.mentioned}, read: read}
	}
	functions := must("functions", l.functions)
	functions.args = []any{askedFunctions(), leakproofFunctions(l.version)}
	return []query{
		must("roles", l.roles),
		must("memberships", into(&l.snap.Memberships)),
		must("schemas", l.schemas),
		must("lookup_relations", naming(l.otherNames)),
		named("lookup_operators", l.lookupOperators),
		named("lookup_functions", naming(l.functionsBy)),
		named("lookup_types", l.lookupTypes),
		named("lookup_collations", l.lookupCollations),
		must("relations", l.relations),
		must("inherits", l.inherits),
		must("columns", l.columns),
		may("statistics", l.statistics),
		must("owned_sequences", l.ownedSequences),
		must("constraints", l.constraints),
		must("operator_classes", l.operatorClasses),
		must("indexes", l.indexes),
		must("policies", l.policies),
		must("triggers", l.triggers),
		must("rules", l.rules),
		functions,
		may("types", l.types),
		may("casts", l.casts),
		may("collations", into(&l.snap.Collations)),
		may("extensions", into(&l.snap.Extensions)),
		may("publications", into(&l.snap.Publications)),
		may("publication_tables", l.publicationTables),
		may("event_triggers", l.eventTriggers),
		may("default_privileges", l.defaultPrivileges),
		may("stored_settings", l.storedSettings),
		may("parameter_grants", l.parameterGrants),
		may("system_tables", l.systemTables),
		may("foreign_servers", l.foreignServers),
		may("user_mappings", l.userMappings),
		may("rule_dependencies", l.ruleDependencies),
		may("view_columns", l.viewColumns),
		may("function_dependencies", l.functionDependencies),
		may("settings", l.settings),
		may("large_objects", l.largeObjects),
	}
}

// queryText returns the text of a query for a server: a line that ends in
// "-- 15+" is for 15 and later, one that ends in "-- <15" for those before it.
func queryText(name string, version int) (string, error) {
	raw, err := queryFiles.ReadFile("queries/" + name + ".sql")
	if err != nil {
		return "", fmt.Errorf("query %s: %w", name, err)
	}
	var kept []string
	for line := range strings.Lines(string(raw)) {
		line = strings.TrimRight(line, "\n")
		if i := strings.LastIndex(line, "-- "); i >= 0 {
			mark := line[i+len("-- "):]
			major, err := strconv.Atoi(strings.Trim(mark, "<+"))
			if err == nil && (version/10000 < major) != strings.HasPrefix(mark, "<") {
				continue
			}
		}
		kept = append(kept, line)
	}
	return strings.TrimSuffix(strings.Join(kept, "\n"), ";"), nil
}

// errGone says that an object of the transaction's snapshot was dropped meanwhile.
var errGone = errors.New("an object was dropped while it was read")

// collect calls add for each row. No query returns NULL for a value that is read into
// something other than a pointer, but for the text of an object that is gone: the
// functions that write it look at the newest catalog, and return NULL then.
func collect[T any](rows pgx.Rows, add func(*T) error) error {
	for rows.Next() {
		row, err := pgx.RowToAddrOfStructByNameLax[T](rows)
		if _, ok := errors.AsType[pgx.ScanArgError](err); ok {
			return fmt.Errorf("%w: %w", errGone, err)
		}
		if err != nil {
			return err
		}
		if err := add(row); err != nil {
			return err
		}
	}
	return rows.Err()
}

// each is collect for what cannot fail.
func each[T any](rows pgx.Rows, add func(*T)) error {
	return collect(rows, func(row *T) error {
		add(row)
		return nil
	})
}

// into appends the rows to a list.
func into[T any](list *[]T) func(pgx.Rows) error {
	return func(rows pgx.Rows) error { return each(rows, func(row *T) { *list = append(*list, *row) }) }
}

// naming notes the names of what has numbers.
func naming(names map[OID]QName) func(pgx.Rows) error {
	type row struct {
		OID          OID
		Schema, Name string
	}
	return func(rows pgx.Rows) error {
		return each(rows, func(r *row) { names[r.OID] = QName{r.Schema, r.Name} })
	}
}

// askedFunctions names the functions of pg_catalog that a rule asks about: those
// by which a session reaches past its own rows, or binds another tenant.
func askedFunctions() []string {
	return []string{
		"current_setting", "set_config", "query_to_xml", "query_to_xml_and_xmlschema", "query_to_xmlschema",
		"cursor_to_xml", "table_to_xml", "schema_to_xml", "database_to_xml", "ts_stat", "ts_rewrite",
		"pg_stat_get_activity", "pg_stat_get_backend_activity", "pg_cancel_backend", "pg_terminate_backend",
		"lo_create", "lo_creat", "lo_export", "lo_get", "lo_import", "lo_open", "lo_put", "lo_unlink",
		"lo_from_bytea", "loread", "lowrite",
		"pg_advisory_lock", "pg_advisory_lock_shared", "pg_advisory_xact_lock", "pg_advisory_xact_lock_shared",
		"pg_try_advisory_lock", "pg_try_advisory_lock_shared", "pg_try_advisory_xact_lock",
		"pg_try_advisory_xact_lock_shared", "pg_advisory_unlock_all",
		"pg_read_file", "pg_read_binary_file", "pg_ls_dir", "pg_stat_file", "pg_notify",
		"pg_logical_slot_get_changes", "pg_logical_slot_peek_changes", "pg_create_logical_replication_slot",
		"pg_logical_emit_message", "pg_export_snapshot",
	}
}
