package database_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/prove"
	"github.com/moat-db/moat/prove/database"
)

// A table t of tenants with a function {f} that writes a file of the server, which no
// rollback takes back: by each way in which a statement of prove could run it. $TRIGGER
// is a trigger function that calls it.
var waysOutside = map[string]string{
	"trigger":   `CREATE TRIGGER go BEFORE INSERT OR UPDATE OR DELETE ON {t} FOR EACH ROW EXECUTE FUNCTION {f}_trigger()`,
	"statement": `CREATE TRIGGER go AFTER TRUNCATE OR INSERT ON {t} FOR EACH STATEMENT EXECUTE FUNCTION {f}_trigger()`,
	"always": `CREATE TRIGGER go AFTER INSERT ON {t} FOR EACH ROW EXECUTE FUNCTION {f}_trigger();
		ALTER TABLE {t} ENABLE ALWAYS TRIGGER go`,
	"replica": `CREATE TRIGGER go AFTER INSERT ON {t} FOR EACH ROW EXECUTE FUNCTION {f}_trigger();
		ALTER TABLE {t} ENABLE REPLICA TRIGGER go; ALTER TABLE {t} ADD CHECK (body <> '')`,
	"helper": `CREATE FUNCTION {t}_helper() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM {f}(); RETURN NEW; END$$;
		CREATE TRIGGER go BEFORE INSERT ON {t} FOR EACH ROW EXECUTE FUNCTION {t}_helper()`,
	"string": `CREATE FUNCTION {t}_run() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$BEGIN
			EXECUTE 'COPY (SELECT 1) TO ' || quote_literal('{file}'); RETURN NULL; END$$;
		CREATE TRIGGER go AFTER INSERT ON {t} FOR EACH ROW EXECUTE FUNCTION {t}_run()`,
	"composed": `CREATE FUNCTION {t}_call(what text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$BEGIN
			EXECUTE what; END$$;
		CREATE FUNCTION {t}_run() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM {t}_call('SELECT ' ||
			replace('app.o.ut_composed()', 'o.', 'o')); RETURN NULL; END$$;
		CREATE TRIGGER go AFTER INSERT ON {t} FOR EACH ROW EXECUTE FUNCTION {t}_run()`,
	"default": `ALTER TABLE {t} ALTER body SET DEFAULT {f}(); ALTER TABLE {t} ADD extra text NOT NULL DEFAULT {f}()`,
	"check":   `ALTER TABLE {t} ADD CHECK (length({f}()) < 9) NOT VALID`,
	"index": `CREATE FUNCTION {t}_same(x text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$BEGIN PERFORM {f}();
			RETURN x; END$$; CREATE INDEX ON {t} ({t}_same(body))`,
	"domain": `CREATE DOMAIN {t}_text AS text CHECK (length(VALUE || {f}()) < 900);
		ALTER TABLE {t} ALTER body TYPE {t}_text`,
	"rule":   `CREATE RULE go AS ON INSERT TO {t} DO ALSO SELECT {f}()`,
	"policy": `CREATE POLICY extra ON {t} AS RESTRICTIVE USING (length({f}()) < 9)`,
	"cascade": `CREATE TABLE {t}_child (tenant_id uuid, {n}_id int, FOREIGN KEY (tenant_id, {n}_id) REFERENCES {t} ` +
		`ON DELETE CASCADE); CREATE TRIGGER go AFTER DELETE ON {t}_child FOR EACH STATEMENT EXECUTE FUNCTION {f}_trigger()`,
	"view": `CREATE VIEW {t}_seen AS SELECT {f}() AS x, tenant_id FROM {t}; GRANT SELECT, INSERT ON {t}_seen TO $APP`,
	"instead": `CREATE VIEW {t}_write WITH (security_invoker) AS SELECT * FROM {t}; GRANT SELECT, INSERT, UPDATE, DELETE
			ON {t}_write TO $APP;
		CREATE TRIGGER go INSTEAD OF INSERT OR UPDATE OR DELETE ON {t}_write FOR EACH ROW EXECUTE FUNCTION {f}_trigger()`,
	"function": `GRANT EXECUTE ON FUNCTION {f}() TO $APP`,
	"stable":   `CREATE FUNCTION {t}_stable() RETURNS text LANGUAGE sql STABLE AS $$SELECT {f}()$$`,
}

const outsideTable = `CREATE TABLE {t} (tenant_id uuid NOT NULL REFERENCES app.tenants(id), id int, body text,
	PRIMARY KEY (tenant_id, id));
	INSERT INTO {t} SELECT id, 1, 'x' FROM app.tenants;
	CREATE FUNCTION {f}() RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS $$BEGIN COPY (SELECT 1) TO '{file}';
		RETURN 'x'; END$$;
	CREATE FUNCTION {f}_trigger() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$BEGIN
		COPY (SELECT 1) TO '{file}'; RETURN coalesce(NEW, OLD); END$$;`

// outsideFixture makes all of them, and an event trigger where asked.
func outsideFixture(t *testing.T, more string) (*fixture, string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "moat-outside")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil { // the server may run as another user
		t.Fatal(err)
	}
	f := newFixture(t, rows)
	names := func(kind string) *strings.Replacer {
		return strings.NewReplacer("{t}", "app."+kind, "{n}", kind, "{f}", "app.out_"+kind, "{file}",
			filepath.Join(dir, kind))
	}
	for kind, sql := range waysOutside {
		f.SQL(t, names(kind).Replace(outsideTable))
		f.SQL(t, strings.NewReplacer("$T", "app."+kind, "$C", "tenant_id").Replace(policy))
		f.SQL(t, names(kind).Replace(sql))
	}
	f.SQL(t, names("event").Replace(outsideTable+more))
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files { // what making the schema has written
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
	return f, dir
}

// Nothing that prove runs reaches outside its transaction, and what was held back is said.
func TestNothingReachesOutside(t *testing.T) {
	t.Parallel()
	f, dir := outsideFixture(t, "")
	r := f.prove(t, database.Options{Strict: true})
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) > 0 {
		t.Errorf("prove wrote %v, %v", files, err)
	}
	said := strings.Join(r.NotTried, "\n")
	for _, p := range r.Probes {
		if p.Verdict == prove.VerdictUndecided {
			said += "\n" + p.Object + " " + p.Reason
		}
	}
	for kind := range waysOutside {
		if !strings.Contains(said, "app."+kind) && !strings.Contains(said, "app.out_"+kind) {
			t.Errorf("%s: what was held back is not said", kind)
		}
	}
	// With the trigger held back, the table's own isolation is proved all the same.
	for _, kind := range []string{"trigger", "statement", "always", "replica", "helper", "cascade"} {
		for _, attack := range []string{"insert", "delete", "planted rows"} {
			if p := r.Find(attack + ":app." + kind); p == nil || p.Verdict != prove.VerdictIsolated {
				t.Errorf("%s:app.%s: %+v", attack, kind, p)
			}
		}
	}
}

// In a database that may be thrown away all of it runs: these ways do reach outside. It
// takes long, and changes only when the list above does: MOAT_TEST_PROVE runs it.
func TestDisposableRunsWhatReachesOutside(t *testing.T) {
	t.Parallel()
	if !longRun() {
		return
	}
	f, dir := outsideFixture(t, "")
	f.prove(t, database.Options{Disposable: true})
	for kind := range waysOutside {
		if kind == "composed" { // tested for being held back alone
			continue
		}
		if _, err := os.Stat(filepath.Join(dir, kind)); err != nil {
			t.Errorf("%s does not reach outside: the test above shows nothing", kind)
		}
	}
}

func TestEventTriggersAreNotFired(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestNothingReachesOutside
	f, dir := outsideFixture(t, `;CREATE FUNCTION {f}_event() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS
		$$BEGIN COPY (SELECT 1) TO '{file}'; END$$; CREATE EVENT TRIGGER go ON ddl_command_start EXECUTE FUNCTION
		{f}_event()`)
	r := f.prove(t, database.Options{})
	if files, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(files) > 0 {
		t.Errorf("prove wrote %v, %v", files, err)
	}
	if p := r.Find("alter:app.leads"); p == nil || p.Verdict != prove.VerdictUndecided ||
		!strings.Contains(p.Reason, "event trigger") {
		t.Errorf("%+v", p)
	}
	if r.Verdict == prove.VerdictIsolated || !slices.ContainsFunc(r.NotTried, func(s string) bool {
		return strings.Contains(s, "event trigger")
	}) {
		t.Errorf("%s, not tried: %q", r.Verdict, r.NotTried)
	}
}
