package database_test

import (
	"strings"
	"testing"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/prove"
	"github.com/moat-db/moat/prove/database"
	"github.com/moat-db/moat/tenancy"
)

// circle is two tables of which each row needs one of the other, and neither has any.
const circle = `CREATE TABLE app.flows (tenant_id uuid NOT NULL REFERENCES app.tenants, id uuid PRIMARY KEY,
		live uuid NOT NULL);
	CREATE TABLE app.versions (tenant_id uuid NOT NULL REFERENCES app.tenants, id uuid PRIMARY KEY,
		flow uuid NOT NULL REFERENCES app.flows);
	ALTER TABLE app.flows ADD FOREIGN KEY (live) REFERENCES app.versions;
	GRANT SELECT, INSERT, UPDATE, DELETE ON app.flows, app.versions TO $APP;`

// withShape declares a shape of another table, so that the sets of all are compared.
var withShape = database.Options{Model: tenancy.Options{Shapes: catalog.Shapes{
	SharedRows: []catalog.SharedRows{{Table: catalog.QName{Schema: "app", Name: "leads"}}}}}}

// Rows that refer to each other in a circle are planted all the same.
func TestCircleIsPlanted(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestWhatIsLeftBehind, without a circle
	closed := func(table string) string { return strings.NewReplacer("$T", table, "$C", "tenant_id").Replace(policy) }
	f := newFixture(t, circle, closed("app.flows"), closed("app.versions"))
	r := f.prove(t, withShape)
	for _, id := range []string{"read:app.flows", "update:app.flows", "read:app.versions"} {
		if p := r.Find(id); p == nil || p.Verdict != prove.VerdictIsolated {
			t.Errorf("%s: %+v", id, p)
		}
	}
	f.Exec(t, "CREATE POLICY wide ON app.flows USING (true); ALTER POLICY tenant_isolation ON app.flows USING (true)")
	if p := f.prove(t, withShape).Find("read:app.flows"); p == nil || p.Verdict != prove.VerdictLeak {
		t.Errorf("a policy that lets everything through: %+v", p)
	}
}

// A table without rows, in which none can be planted, is no isolated one: all sets of it are empty.
func TestNoRowsIsUndecided(t *testing.T) {
	t.Parallel()
	f := newFixture(t, `CREATE TABLE app.mute (tenant_id uuid NOT NULL REFERENCES app.tenants, id uuid PRIMARY KEY);
		CREATE FUNCTION app.swallow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
		CREATE TRIGGER swallow BEFORE INSERT ON app.mute FOR EACH ROW EXECUTE FUNCTION app.swallow();
		ALTER TABLE app.mute ENABLE ALWAYS TRIGGER swallow; GRANT SELECT ON app.mute TO $APP;
		ALTER TABLE app.mute ENABLE ROW LEVEL SECURITY; CREATE POLICY wide ON app.mute USING (true)`)
	for name, o := range map[string]database.Options{"with shapes": withShape, "without": {}} {
		if p := f.prove(t, o).Find("read:app.mute"); p == nil || p.Verdict != prove.VerdictUndecided {
			t.Errorf("%s: %+v", name, p)
		}
	}
}
