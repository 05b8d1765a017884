package audit_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/moat-db/moat/audit"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/tenancy"
)

const shardedLead = `
	CREATE SCHEMA app; GRANT USAGE ON SCHEMA app TO %app%;
	CREATE TABLE app.lead (tenant_id int NOT NULL, id int, PRIMARY KEY (tenant_id, id));
	CREATE TABLE pg_shards.lead_102008 (LIKE app.lead INCLUDING ALL);
	CREATE TABLE pg_shards.lead_102009 (LIKE app.lead INCLUDING ALL);
	DO $$ DECLARE t text; BEGIN
	  FOREACH t IN ARRAY ARRAY['app.lead', 'pg_shards.lead_102008', 'pg_shards.lead_102009'] LOOP
	    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', t);
	    EXECUTE format('CREATE POLICY iso ON %s USING (tenant_id = nullif(current_setting(''app.current_tenant'', true),
	      '''')::int)', t);
	  END LOOP; END $$;
	GRANT SELECT ON app.lead TO %app%;
	SELECT create_distributed_table('app.lead', 'tenant_id');
	CREATE FUNCTION app.guard() RETURNS event_trigger LANGUAGE plpgsql SET search_path = pg_catalog AS
	  $$ BEGIN /* ENABLE ROW LEVEL SECURITY */ END $$;
	CREATE EVENT TRIGGER guard ON ddl_command_end EXECUTE FUNCTION app.guard();`

// A shard that differs from its table is found, whatever it is that differs, and mended by the
// finding's SQL; one that cannot be looked at makes the report incomplete.
func TestPlacements(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, break_, found, unseen string }{
		{name: "as it should be"},
		{"off", "ALTER TABLE pg_shards.lead_102009 DISABLE ROW LEVEL SECURITY", "citus-placement", ""},
		{"owner free", "ALTER TABLE pg_shards.lead_102009 NO FORCE ROW LEVEL SECURITY", "citus-placement", ""},
		{"policy more", "CREATE POLICY more ON pg_shards.lead_102008 USING (true)", "citus-placement", ""},
		{"policy other", "ALTER POLICY iso ON pg_shards.lead_102008 USING (true)", "citus-placement", ""},
		{"policy for others", "ALTER POLICY iso ON pg_shards.lead_102008 TO %app%", "citus-placement", ""},
		{"restrictive", "DROP POLICY iso ON app.lead; CREATE POLICY iso ON app.lead AS RESTRICTIVE USING (tenant_id = " +
			"nullif(current_setting('app.current_tenant', true), '')::int)", "citus-restrictive", ""},
		{"no shard", "DROP TABLE pg_shards.lead_102008, pg_shards.lead_102009", "", "no shard answered"},
		{"no access", "ALTER TABLE pg_shards.lead_102008 RENAME TO \"lead_1\"", "", ""},
		{"no function", "DROP FUNCTION pg_catalog.run_command_on_placements", "", "could not be looked at"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			db := pgtest.New(t)
			app := db.AppRole(t)
			named := strings.NewReplacer("%app%", app)
			db.Exec(t, pgtest.Citus)
			db.Exec(t, named.Replace(shardedLead))
			db.Exec(t, "SET allow_system_table_mods = on; "+named.Replace(c.break_))
			r := placed(t, db, app)
			got := slices.DeleteFunc(r.Findings, func(x audit.Finding) bool {
				return !strings.HasPrefix(x.Rule, "citus-") || x.Rule == "citus-bound-owner"
			})
			if c.found == "" && len(got) != 0 || c.found != "" && (len(got) != 1 || got[0].Rule != c.found) {
				t.Errorf("want %q, found:%s", c.found, describe(got))
			}
			if unseen := strings.Join(r.Unseen, "\n"); c.unseen == "" && unseen != "" || !strings.Contains(unseen, c.unseen) {
				t.Errorf("unseen %q, want %q", unseen, c.unseen)
			}
		})
	}
}

// A report of which nobody asked the shards says so.
func TestPlacementsNotAsked(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	app := db.AppRole(t)
	db.Exec(t, pgtest.Citus)
	db.Exec(t, strings.ReplaceAll(shardedLead, "%app%", app))
	r := runAs(t, db.Conn(t, db.URL), tenancy.Options{Roles: []string{app}}, "")
	if len(r.Unseen) != 1 || r.Unseen[0] != "The shards of 1 distributed table were not looked at." {
		t.Errorf("unseen %q", r.Unseen)
	}
}

func placed(t *testing.T, db *pgtest.Database, app string) audit.Report {
	t.Helper()
	conn := db.Conn(t, db.URL)
	v, err := tenancy.Read(t.Context(), conn, tenancy.Options{Roles: []string{app}})
	if err != nil {
		t.Fatal(err)
	}
	e, err := audit.Probe(t.Context(), conn, v)
	if err != nil {
		t.Fatal(err)
	}
	return audit.Run(v, audit.Options{Evidence: e})
}
