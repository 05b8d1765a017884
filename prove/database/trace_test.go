package database_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/prove"
	"github.com/moat-db/moat/prove/database"
	"github.com/moat-db/moat/prove/internal/shop"
)

// leaving are the ways in which code with its owner's rights hands on what it read in a form that
// no search for values finds. OTHERS picks the rows that it reads.
var leaving = map[string]struct{ sql, probe string }{
	"a trigger writes a digest": {`CREATE FUNCTION app.f() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$BEGIN
		INSERT INTO app.log (tenant_id, line) SELECT NEW.tenant_id, md5(string_agg(email, ',' ORDER BY email)) FROM app.leads
			WHERE OTHERS; RETURN NEW; END$$;
		CREATE TRIGGER t AFTER INSERT ON app.campaigns FOR EACH ROW EXECUTE FUNCTION app.f()`, "left behind:app.campaigns"},
	"a trigger on DELETE writes capitals": {`CREATE FUNCTION app.f() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
		$$BEGIN INSERT INTO app.log (tenant_id, line) SELECT OLD.tenant_id, upper(email) FROM app.leads WHERE OTHERS;
			RETURN OLD; END$$;
		CREATE TRIGGER t BEFORE DELETE ON app.campaigns FOR EACH ROW EXECUTE FUNCTION app.f()`, "left behind:app.campaigns"},
	"a trigger on UPDATE returns a part": {`CREATE FUNCTION app.f() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
		$$BEGIN NEW.note = (SELECT left(upper(max(email)), 4) FROM app.leads WHERE OTHERS); RETURN NEW; END$$;
		CREATE TRIGGER t BEFORE UPDATE ON app.events FOR EACH ROW EXECUTE FUNCTION app.f()`, "left behind:app.events"},
	"a trigger says a count": {`CREATE FUNCTION app.f() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$BEGIN
		RAISE NOTICE '% taken', (SELECT count(*) FROM app.leads WHERE OTHERS); RETURN NEW; END$$;
		CREATE TRIGGER t BEFORE UPDATE ON app.campaigns FOR EACH ROW EXECUTE FUNCTION app.f()`, "left behind:app.campaigns"},
	"code behind a view returns capitals": {`CREATE VIEW app.w WITH (security_barrier) AS SELECT id, email FROM app.leads
			WHERE tenant_id = MINE;
		CREATE FUNCTION app.f() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$BEGIN
			NEW.email = (SELECT upper(string_agg(email, ',' ORDER BY email)) FROM app.leads WHERE OTHERS); RETURN NEW; END$$;
		CREATE TRIGGER w INSTEAD OF UPDATE ON app.w FOR EACH ROW EXECUTE FUNCTION app.f();
		GRANT SELECT, UPDATE ON app.w TO $APP`, "left behind:app.w"},
	"a function writes a digest": {`CREATE FUNCTION app.f() RETURNS void LANGUAGE sql SECURITY DEFINER AS $$
		INSERT INTO app.log (tenant_id, line) SELECT MINE, md5(email) FROM app.leads WHERE OTHERS$$`,
		"definer function:app.f()"},
	"beside a view that nobody can read": {`CREATE FUNCTION app.no() RETURNS boolean LANGUAGE sql AS 'SELECT true';
		REVOKE EXECUTE ON FUNCTION app.no() FROM PUBLIC;
		CREATE VIEW app.closed AS SELECT 1 AS id WHERE app.no(); GRANT SELECT ON app.closed TO $APP;
		CREATE FUNCTION app.f() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$BEGIN
		INSERT INTO app.log (tenant_id, line) SELECT NEW.tenant_id, email FROM app.leads WHERE OTHERS; RETURN NEW; END$$;
		CREATE TRIGGER t AFTER INSERT ON app.campaigns FOR EACH ROW EXECUTE FUNCTION app.f()`, "trigger:app.campaigns"},
}

// Each is a leak where it reads other tenants' rows, and none where it reads the tenant's own.
func TestWhatIsLeftBehind(t *testing.T) {
	t.Parallel()
	log := `CREATE TABLE app.log (tenant_id uuid NOT NULL REFERENCES app.tenants(id),
		id bigint GENERATED ALWAYS AS IDENTITY, line text,
		at timestamptz DEFAULT clock_timestamp(), PRIMARY KEY (tenant_id, id));` +
		strings.NewReplacer("$T", "app.log", "$C", "tenant_id").Replace(policy)
	pgtest.EachMajor(t, func(t *testing.T, c *pgtest.Cluster) { leftBehind(t, c, log) })
}

func leftBehind(t *testing.T, c *pgtest.Cluster, log string) {
	t.Helper()
	for nth, name := range slices.Sorted(maps.Keys(leaving)) {
		x := leaving[name]
		for others, want := range map[string]prove.Verdict{"tenant_id <> MINE": prove.VerdictLeak,
			"tenant_id = MINE": prove.VerdictIsolated} {
			t.Run(name+" "+string(want), func(t *testing.T) {
				t.Parallel()
				pgtest.OneOf(t, 8, nth)
				sql := strings.ReplaceAll(strings.ReplaceAll(x.sql, "OTHERS", others), "MINE", currentTenant)
				f := &fixture{shop.On(t, c.New(t), rows, log+sql)}
				r := f.prove(t, database.Options{})
				if p := r.Find(x.probe); p == nil || p.Verdict != want {
					t.Errorf("want %s, got %+v", want, p)
				}
				leaks := slices.DeleteFunc(ids(r.Leaks()), func(id string) bool { return slices.Contains(rights, id) })
				if want == prove.VerdictIsolated && len(leaks) > 0 {
					t.Errorf("leaks: %v", leaks)
				}
			})
		}
	}
}

// An own row that could not be planted without leaving its references unchecked, and a trigger that
// makes own rows equal, stop an UPDATE of all rows; that says nothing of another tenant's.
func TestOwnRowsInTheWay(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestWhatIsLeftBehind
	equal := `CREATE FUNCTION app.f() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN NEW.name = 'same'; RETURN NEW; END$$;
		CREATE TRIGGER t BEFORE UPDATE ON app.campaigns FOR EACH ROW EXECUTE FUNCTION app.f();`
	open := `DROP POLICY tenant_isolation ON app.campaigns;
		CREATE POLICY r ON app.campaigns AS RESTRICTIVE FOR SELECT USING (tenant_id = MINE);
		CREATE POLICY w ON app.campaigns AS RESTRICTIVE FOR UPDATE USING (true) WITH CHECK (tenant_id = MINE);`
	for sql, want := range map[string]prove.Verdict{equal: prove.VerdictIsolated, equal + open: prove.VerdictLeak} {
		r := newFixture(t, rows, strings.ReplaceAll(sql, "MINE", currentTenant)).prove(t, database.Options{})
		got := prove.VerdictIsolated
		for _, p := range r.Probes {
			if p.Attack == "move" && p.Object == "app.campaigns" {
				got = prove.Worst(got, p.Verdict)
			}
		}
		if got != want {
			t.Errorf("%s: want %s, got %s", sql, want, got)
		}
	}
}
