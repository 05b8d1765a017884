package audit

import (
	"fmt"

	"github.com/moat-db/moat/catalog"
)

var ruleGuardMissing = Rule{
	ID: "guard-missing", Severity: Low, Holes: []string{"E01", "E02"},
	Title: "No guard protects new tables",
	check: func(f *facts) []Finding {
		if f.guarded() {
			return nil
		}
		schema := "public"
		if len(f.m.Schemas) > 0 {
			schema = f.m.Schemas[0]
		}
		return []Finding{f.onDatabase(
			"The next table that a migration creates is open to every tenant until somebody notices.",
			"CREATE TABLE, CREATE TABLE AS and SELECT INTO create tables without row-level security, and an owner can turn "+
				"it off. moat protect --until guards installs a full guard; this is a smaller one.").
			with(guardSQL(schema)...)}
	},
}

// guardSQL makes an event trigger that enables and forces row-level security on every
// new table: it stays empty to everyone until it has policies. It needs a superuser.
func guardSQL(schema string) []string {
	fn := catalog.QName{Schema: schema, Name: "moat_audit_guard"}.SQL()
	return []string{
		fmt.Sprintf(`CREATE OR REPLACE FUNCTION %s() RETURNS event_trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $guard$
DECLARE
  r record;
BEGIN
  FOR r IN
    SELECT DISTINCT c.oid FROM pg_event_trigger_ddl_commands() d JOIN pg_class c ON c.oid = d.objid
     WHERE d.classid = 'pg_class'::regclass AND c.relkind IN ('r', 'p')
       AND c.relpersistence <> 't' AND NOT d.in_extension AND NOT c.relrowsecurity
  LOOP
    EXECUTE format('ALTER TABLE %%s ENABLE ROW LEVEL SECURITY', r.oid::regclass);
    EXECUTE format('ALTER TABLE %%s FORCE ROW LEVEL SECURITY', r.oid::regclass);
  END LOOP;
END
$guard$`, fn),
		"DROP EVENT TRIGGER IF EXISTS moat_audit_guard",
		fmt.Sprintf(`CREATE EVENT TRIGGER moat_audit_guard ON ddl_command_end
    WHEN TAG IN ('CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO', 'ALTER TABLE', 'CREATE SCHEMA',
                 'IMPORT FOREIGN SCHEMA')
    EXECUTE FUNCTION %s()`, fn),
		"ALTER EVENT TRIGGER moat_audit_guard ENABLE ALWAYS",
	}
}
