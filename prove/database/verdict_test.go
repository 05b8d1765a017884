package database_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/moat-db/moat/baseline"
	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/prove"
	"github.com/moat-db/moat/prove/database"
	"github.com/moat-db/moat/tenancy"
)

// harmless is a schema in which nothing leaks, of the kinds that looked like leaks or
// could not be planted. PROTECT stands for the policies of a table.
const harmless = `
CREATE FUNCTION app.random_code() RETURNS text LANGUAGE sql VOLATILE AS $$SELECT md5(random()::text)$$;
CREATE FUNCTION app.coin() RETURNS boolean LANGUAGE sql VOLATILE AS $$SELECT random() < 0.5$$;
CREATE FUNCTION app.any_lead() RETURNS SETOF app.leads LANGUAGE sql VOLATILE AS $$SELECT * FROM app.leads ORDER BY
	random() LIMIT 1$$;
CREATE FUNCTION app.slow_id(size int DEFAULT 21) RETURNS text LANGUAGE plpgsql AS $$DECLARE s text := ''; BEGIN
	FOR i IN 1..size LOOP s := substr(s, 1, 10) || 'x'; END LOOP; RETURN s; END$$;
CREATE FUNCTION app.slow_count(size int) RETURNS bigint LANGUAGE plpgsql AS $$BEGIN
	FOR i IN 1..size LOOP PERFORM pg_sleep(0.01); END LOOP; RETURN (SELECT count(*) FROM app.leads); END$$;
CREATE TABLE app.sessions (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), tenant_id uuid NOT NULL REFERENCES
	app.tenants(id), logout_token text, UNIQUE (logout_token));
INSERT INTO app.sessions (tenant_id) SELECT id FROM app.tenants;
CREATE TABLE app.stamped (id bigserial, tenant_id uuid NOT NULL REFERENCES app.tenants(id),
	created_at timestamptz NOT NULL DEFAULT now(), note text, PRIMARY KEY (tenant_id, id), UNIQUE (created_at, id));
INSERT INTO app.stamped (tenant_id) SELECT id FROM app.tenants;
CREATE TABLE app.profiles (tenant_id uuid NOT NULL REFERENCES app.tenants(id),
	id uuid NOT NULL DEFAULT gen_random_uuid(),
	lead_id uuid, note text, PRIMARY KEY (tenant_id, id), UNIQUE (lead_id),
	FOREIGN KEY (tenant_id, lead_id) REFERENCES app.leads (tenant_id, id));
INSERT INTO app.profiles (tenant_id) SELECT id FROM app.tenants;
CREATE TABLE app.computed (tenant_id uuid NOT NULL REFERENCES app.tenants(id), id int NOT NULL, cents int NOT NULL,
	twice int GENERATED ALWAYS AS (cents * 100 + id * 1000) STORED, PRIMARY KEY (tenant_id, id));
CREATE TABLE app.ranked (tenant_id uuid NOT NULL REFERENCES app.tenants(id), id uuid NOT NULL DEFAULT gen_random_uuid(),
	place int NOT NULL, note text, UNIQUE (tenant_id, place) DEFERRABLE INITIALLY DEFERRED, UNIQUE (tenant_id, id));
CREATE TABLE app.settings (tenant_id uuid PRIMARY KEY REFERENCES app.tenants(id), host text, UNIQUE (tenant_id, host));
INSERT INTO app.settings SELECT id, name FROM app.tenants;
CREATE TABLE app.blobs (id serial PRIMARY KEY, bytes text);
CREATE TABLE app.files (tenant_id uuid NOT NULL REFERENCES app.tenants(id), id uuid NOT NULL DEFAULT gen_random_uuid(),
	blob_id int NOT NULL REFERENCES app.blobs(id), UNIQUE (tenant_id, blob_id), PRIMARY KEY (tenant_id, id));
CREATE TABLE app.covers (tenant_id uuid NOT NULL REFERENCES app.tenants(id), id uuid NOT NULL DEFAULT gen_random_uuid(),
	file_id uuid NOT NULL, PRIMARY KEY (tenant_id, id), UNIQUE (file_id),
	FOREIGN KEY (tenant_id, file_id) REFERENCES app.files (tenant_id, id));
CREATE TABLE app.pins (tenant_id uuid NOT NULL REFERENCES app.tenants(id), lead_id uuid NOT NULL,
	author_id uuid NOT NULL, pinned_by uuid NOT NULL, note text, PRIMARY KEY (lead_id, author_id),
	FOREIGN KEY (tenant_id, lead_id) REFERENCES app.leads (tenant_id, id),
	FOREIGN KEY (tenant_id, author_id) REFERENCES app.leads (tenant_id, id),
	FOREIGN KEY (tenant_id, pinned_by) REFERENCES app.leads (tenant_id, id));
CREATE TYPE app.uuidrange AS RANGE (subtype = uuid);
CREATE FUNCTION app.never(name text) RETURNS bigint LANGUAGE plpgsql AS $$BEGIN
	IF (SELECT count(*) FROM app.leads) >= 0 THEN RAISE EXCEPTION 'no partition of %', name; END IF; RETURN 1; END$$;
CREATE TABLE app.crons (tenant_id uuid NOT NULL REFERENCES app.tenants(id), id uuid PRIMARY KEY DEFAULT
	gen_random_uuid(), plan text NOT NULL, name text, UNIQUE (tenant_id, plan, name));
INSERT INTO app.crons (tenant_id, plan) SELECT id, id::text FROM app.tenants;
CREATE TABLE app.runs (tenant_id uuid NOT NULL REFERENCES app.tenants(id), id uuid PRIMARY KEY DEFAULT
	gen_random_uuid(), plan text, name text,
	FOREIGN KEY (tenant_id, plan, name) REFERENCES app.crons (tenant_id, plan, name));
INSERT INTO app.runs (tenant_id) SELECT id FROM app.tenants;
CREATE TYPE app.kind AS ENUM ('payment');
CREATE TABLE app.links (tenant_id uuid NOT NULL REFERENCES app.tenants(id), id uuid PRIMARY KEY DEFAULT
	gen_random_uuid(), lead_id uuid NOT NULL, kind app.kind NOT NULL DEFAULT 'payment', seller_id uuid NOT NULL,
	UNIQUE (lead_id, kind), FOREIGN KEY (tenant_id, lead_id) REFERENCES app.leads (tenant_id, id),
	FOREIGN KEY (tenant_id, seller_id) REFERENCES app.leads (tenant_id, id));
INSERT INTO app.links (tenant_id, lead_id, seller_id) SELECT DISTINCT ON (tenant_id) tenant_id, id, id FROM app.leads;
INSERT INTO app.pins SELECT DISTINCT ON (tenant_id) tenant_id, id, id, id FROM app.leads;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA app TO $APP;
ALTER DATABASE $DB SET default_transaction_read_only = on;`

func harmlessFixture(t *testing.T, more ...string) *fixture {
	t.Helper()
	protect := ""
	for _, table := range []string{"sessions", "stamped", "profiles", "computed", "ranked", "settings", "files",
		"covers", "pins", "crons", "runs", "links"} {
		protect += strings.NewReplacer("$T", "app."+table, "$C", "tenant_id").Replace(policy)
	}
	before, after, _ := strings.Cut(harmless, "ALTER DATABASE")
	return newFixture(t, append([]string{rows, before + protect}, append(more, "ALTER DATABASE"+after)...)...)
}

func TestNoFalseAlarms(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestProtectedSchemaIsIsolated
	f := harmlessFixture(t)
	started := time.Now()
	r := f.prove(t, database.Options{StatementTimeout: 2 * time.Second})
	t.Logf("%d probes in %v", len(r.Probes), time.Since(started))
	unmended := showsUpserts(f.snapshot(t).Version)
	for _, p := range r.Probes {
		slow := strings.HasPrefix(p.Object, "app.slow_count") && p.Verdict == prove.VerdictUndecided
		// No false alarm: on such a release (created_at, id) does open the table.
		oracle := unmended && (p.ID == "upsert oracle:app.stamped" || p.ID == "upsert oracle:app.pins" ||
			p.ID == "upsert oracle:app.links")
		if p.Verdict != prove.VerdictIsolated && !slow && !oracle {
			t.Errorf("%s %s: %s\n%s", p.Verdict, p.ID, p.Reason, p.Script)
		}
	}
	for _, id := range []string{"insert:app.computed", "planted rows:app.computed", "insert:app.ranked",
		"planted rows:app.ranked", "planted rows:app.files", "planted rows:app.covers", "upsert:app.sessions",
		"function:app.any_lead()", "foreign key:app.pins", "insert:app.pins",
		"function:app.never(name text)", "foreign key:app.links"} {
		if r.Find(id) == nil {
			t.Errorf("%s was not tried", id)
		}
	}
}

// A row for everybody that B's planted rows need is no row of B's.
func TestPlantedForAll(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestKeysOfOneRowATenant
	f := newFixture(t, rows, `CREATE TABLE app.apps (id int PRIMARY KEY, name text NOT NULL UNIQUE);
		INSERT INTO app.apps VALUES (1, 'one'); GRANT SELECT ON app.apps TO $APP;
		CREATE TABLE app.installs (tenant_id uuid NOT NULL REFERENCES app.tenants(id), app_id int NOT NULL REFERENCES
			app.apps(id), note text, PRIMARY KEY (tenant_id, app_id)); INSERT INTO app.installs SELECT id, 1 FROM app.tenants;`+
		strings.NewReplacer("$T", "app.installs", "$C", "tenant_id").Replace(policy))
	shared := []catalog.QName{{Schema: "app", Name: "apps"}}
	r := f.prove(t, database.Options{Model: tenancy.Options{Schemas: []string{"app"}, Shared: shared}})
	if r.Count(prove.VerdictLeak) > 0 || r.Find("planted rows:app.installs") == nil {
		t.Errorf("leaks: %v; not tried: %q", ids(r.Leaks()), r.NotTried)
	}
}

// A key of a partitioned table answers by the name that it has on the partition.
func TestPartitionAnswersForTheKey(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestKeysOfOneRowATenant
	f := newFixture(t, rows, `CREATE TABLE app.calls (tenant_id uuid NOT NULL REFERENCES app.tenants(id), code text,
		day date, note text, PRIMARY KEY (code, day)) PARTITION BY RANGE (day);
		CREATE TABLE app.calls_all PARTITION OF app.calls DEFAULT;
		INSERT INTO app.calls SELECT id, id::text, '2026-01-01' FROM app.tenants;`+
		strings.NewReplacer("$T", "app.calls", "$C", "tenant_id").Replace(policy))
	if p := f.prove(t, database.Options{}).Find("duplicate key:app.calls"); p == nil || p.Verdict != prove.VerdictLeak {
		t.Errorf("%+v", p)
	}
}

// The same database gives the same verdicts, run after run.
func TestSameVerdicts(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: none; each short test asks for its own verdicts
	f := harmlessFixture(t, "CREATE FUNCTION app.all_leads() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS "+
		"$$SELECT count(*) FROM app.leads$$")
	if testing.Short() {
		f = newFixture(t, rows) // where nothing takes long
	}
	runs := pgtest.Rounds(t, "MOAT_TEST_RUNS", 3, 2)
	if longRun() {
		runs = 10
	}
	verdicts := func() []string {
		var out []string
		for _, p := range f.prove(t, database.Options{StatementTimeout: 2 * time.Second}).Probes {
			out = append(out, p.ID+" "+string(p.Verdict))
		}
		return out
	}
	first := verdicts()
	for range runs - 1 {
		if diff := cmp.Diff(first, verdicts()); diff != "" {
			t.Error(diff)
		}
	}
}

// What is shared, left out or out of reach is said, and never called isolated.
func TestNotesWhatIsNotIsolated(t *testing.T) {
	t.Parallel()
	f := newFixture(t, rows, `CREATE TABLE app.countries (code text PRIMARY KEY); INSERT INTO app.countries VALUES ('de');
		GRANT SELECT ON app.countries TO $APP; CREATE TABLE app.old (x int); GRANT SELECT ON app.old TO $APP;
		CREATE SCHEMA other; GRANT USAGE ON SCHEMA other TO $APP; CREATE TABLE other.t (x int); GRANT SELECT ON other.t TO
		$APP; CREATE TABLE app.hidden (tenant_id uuid NOT NULL REFERENCES app.tenants(id), id int)`)
	shared, ignored := catalog.QName{Schema: "app", Name: "countries"}, catalog.QName{Schema: "app", Name: "old"}
	r := f.prove(t, database.Options{Model: tenancy.Options{Schemas: []string{"app"}, Shared: []catalog.QName{shared},
		Ignored: []catalog.QName{ignored}}})
	objects := func(list []prove.Noted) []string {
		var out []string
		for _, x := range list {
			if x.Reason == "" {
				t.Errorf("%s: no reason", x.Object)
			}
			out = append(out, x.Object)
		}
		return out
	}
	for _, x := range []struct {
		in     []prove.Noted
		object string
	}{{r.Shared, "app.countries"}, {r.LeftOut, "app.old"}, {r.LeftOut, "other.t"}, {r.NotReachable, "app.hidden"}} {
		if !slices.Contains(objects(x.in), x.object) {
			t.Errorf("%s is not noted: %v", x.object, x.in)
		}
		for _, p := range r.Probes {
			if p.Object == x.object && p.Verdict == prove.VerdictIsolated {
				t.Errorf("%s is called isolated: %s", x.object, p.ID)
			}
		}
	}
	// Without row-level security only the missing grant keeps it shut.
	if p := r.Find("unprotected:app.hidden"); p == nil || p.Verdict != prove.VerdictUndecided {
		t.Errorf("%+v", p)
	}
	if r.Verdict == prove.VerdictIsolated {
		t.Error("isolated, with a table of tenants that has no row-level security")
	}
}

// The baseline accepts what tells of another tenant's values, and never a row of theirs.
func TestBaselineInProve(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: the cli's TestBaselineNeverHoldsReadableRows
	f := newFixture(t, rows, "CREATE UNIQUE INDEX leads_email ON app.leads (email)", `CREATE VIEW app.all_leads AS SELECT
		* FROM app.leads; GRANT SELECT ON app.all_leads TO $APP`)
	s := f.snapshot(t)
	today := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	entry := func(kind, object string) baseline.Entry {
		return baseline.Entry{Kind: kind, Object: object, Fingerprint: catalog.Definition(s, object), Reason: "sign-in",
			Expires: "2027-01-31"}
	}
	o := database.Options{Today: today, Accepted: []baseline.Entry{entry("key-unique", "app.leads.leads_email"),
		entry("view-definer", "app.all_leads"), entry("key-unique", "app.all_leads")}}
	r := f.prove(t, o)
	if p := r.Find("duplicate key:app.leads"); p != nil || len(r.Accepted) != 1 || r.Accepted[0].Reason != "sign-in" {
		t.Errorf("%+v, accepted %+v", p, r.Accepted)
	}
	if p := r.Find("read:app.all_leads"); p == nil || p.Verdict != prove.VerdictLeak {
		t.Errorf("a readable row was accepted: %+v", p)
	}
	o.Today = today.AddDate(0, 1, 0)
	r = f.prove(t, o)
	if p := r.Find("duplicate key:app.leads"); p == nil || p.Verdict != prove.VerdictLeak || len(r.Reopened) == 0 {
		t.Errorf("expired, and yet %+v", p)
	}
}

// Where the tenant is a token's claim, the attacker's and the attacked's settings are JSON.
func TestTenantInClaims(t *testing.T) {
	t.Parallel()
	const claim = "(nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'tenant_id')::uuid"
	f := newFixture(t, rows)
	for table, column := range map[string]string{"app.tenants": "id", "app.campaigns": "tenant_id",
		"app.leads": "tenant_id", "app.events": "tenant_id", "app.visits": "tenant_id"} {
		f.SQL(t, strings.NewReplacer("$T", table, "$C", column, "$E", claim).Replace(
			`ALTER POLICY tenant_isolation ON $T USING ($C = (SELECT $E)) WITH CHECK ($C = (SELECT $E))`))
	}
	r := f.prove(t, database.Options{})
	for _, p := range r.Probes {
		if p.Verdict != prove.VerdictIsolated {
			t.Errorf("%s %s: %s", p.Verdict, p.ID, p.Reason)
		}
	}
	if p := r.Find("planted rows:app.leads"); p == nil {
		t.Error("no row was attacked")
	}
	f.SQL(t, "ALTER POLICY tenant_isolation ON app.leads USING (true)")
	if p := f.prove(t, database.Options{}).Find("read:app.leads"); p == nil || p.Verdict != prove.VerdictLeak {
		t.Errorf("%+v", p)
	}
}

// A role that reaches nothing proves nothing.
func TestNothingReachableIsNoPass(t *testing.T) {
	t.Parallel()
	f := newFixture(t, rows, "REVOKE ALL ON ALL TABLES IN SCHEMA app FROM $APP")
	r := f.prove(t, database.Options{})
	if p := r.Find("reachable tables:connection"); p == nil || r.Verdict != prove.VerdictUndecided ||
		len(r.NotReachable) < 5 {
		t.Errorf("%s: %+v, not reachable %v", r.Verdict, p, r.NotReachable)
	}
}

// One row a tenant: the key that was asked must answer, not the tenant's own.
func TestKeysOfOneRowATenant(t *testing.T) {
	t.Parallel()
	table := `CREATE TABLE app.settings (tenant_id uuid PRIMARY KEY REFERENCES app.tenants(id), host text, UNIQUE (host));
		INSERT INTO app.settings SELECT id, name FROM app.tenants;` +
		strings.NewReplacer("$T", "app.settings", "$C", "tenant_id").Replace(policy)
	p := newFixture(t, rows, table).prove(t, database.Options{}).Find("duplicate key:app.settings")
	if p == nil || p.Verdict != prove.VerdictLeak || !strings.Contains(p.Reason, "settings_host_key") {
		t.Errorf("%+v", p)
	}
}
