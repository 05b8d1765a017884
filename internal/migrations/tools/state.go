package tools

import (
	"slices"
	"strings"

	"github.com/moat-db/moat/internal/list"
)

// stateColumns are the columns of the tables in which tools keep their state. A table of
// such a name with other columns is a business table; one that has just these, and at
// least four, is the tool's under any name: most tools let a team choose it.
const stateColumns = `
__EFMigrationsHistory: MigrationId ProductVersion
__drizzle_migrations: id hash created_at
_prisma_migrations: id checksum finished_at migration_name logs rolled_back_at started_at applied_steps_count
_sqlx_migrations: version description installed_on success checksum execution_time
alembic_version: version_num
ar_internal_metadata: key value created_at updated_at
atlas_schema_revisions: version description type applied total executed_at execution_time error error_stmt hash
  partial_hashes operator_version
bun_migration_locks: id table_name
bun_migrations: id name group_id migrated_at
databasechangelog: id author filename dateexecuted orderexecuted exectype md5sum description comments tag liquibase
  contexts labels deployment_id
databasechangeloglock: id locked lockgranted lockedby
dbmate_migrations: version
django_migrations: id app name applied
doctrine_migration_versions: version executed_at execution_time
flyway_schema_history: installed_rank version description type script checksum installed_by installed_on
  execution_time success
goose_db_version: id version_id is_applied tstamp
gorp_migrations: id applied_at
knex_migrations: id name batch migration_time
knex_migrations_lock: index is_locked
migrations: id migration batch | id timestamp name
mikro_orm_migrations: id name executed_at
pgmigrations: id name run_on
refinery_schema_history: version name applied_on checksum
river_migration: id created_at line version
schema_migrations: version dirty | version inserted_at
schema_migrations_history: id name executed_at
schema_version: version
SequelizeMeta: name
sqitch_changes: change_id script_hash change project note committed_at committer_name committer_email planned_at
  planner_name planner_email
typeorm_metadata: type database schema table name value
`

// State is a table of a tool by its name and the columns that it may have.
type State struct {
	Name    string
	Columns []string
}

// States lists them; a name stands once for each version of its columns.
func States() []State {
	var all []State
	text := strings.ReplaceAll(strings.TrimSpace(stateColumns), "\n  ", " ")
	for line := range strings.SplitSeq(text, "\n") {
		name, sets, _ := strings.Cut(line, ": ")
		for set := range strings.SplitSeq(sets, " | ") {
			all = append(all, State{name, strings.Fields(set)})
		}
	}
	return all
}

// own is the least number of columns that tell a tool without its name.
const own = 4

// Is reports whether a table with these columns is this one. Earlier and later versions of
// a tool have fewer.
func (s State) Is(name string, columns []string) bool {
	for _, c := range columns {
		if !slices.Contains(s.Columns, c) {
			return false
		}
	}
	return len(columns) > 0 && (name == s.Name || len(columns) == len(s.Columns) && len(columns) >= own)
}

// IsState reports whether a table is one in which a migration tool keeps its state.
func IsState(name string, columns []string) bool {
	return slices.ContainsFunc(States(), func(s State) bool { return s.Is(name, columns) })
}

// StateSQL is [IsState] for a row c of pg_class.
func StateSQL(literal func(string) string) string {
	rows := list.Join(States(), ",\n  ", func(s State) string {
		return "(" + literal(s.Name) + ", ARRAY[" + list.Join(s.Columns, ", ", literal) + "]::name[])"
	})
	return "EXISTS (SELECT FROM (VALUES\n  " + rows + `) known (name, columns),
  LATERAL (SELECT array_agg(a.attname) AS columns FROM pg_attribute a
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) has
  WHERE has.columns <@ known.columns
    AND (c.relname = known.name OR known.columns <@ has.columns AND cardinality(known.columns) >= 4))`
}
