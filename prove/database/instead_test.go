package database_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/prove"
	"github.com/moat-db/moat/prove/database"
)

// behindViews are the forms of code behind a view that finds rows by the values it is given: TO is
// what it does, and where it does not ask for the tenant every form of it is a leak.
var behindViews = map[string]string{
	"insert": `CREATE FUNCTION app.w_insert() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path =
		pg_catalog, pg_temp AS $$BEGIN UPDATE app.notes SET body = NEW.body WHERE id = NEW.id AND MINE; RETURN NEW; END$$;
		CREATE TRIGGER w INSTEAD OF INSERT ON VIEW FOR EACH ROW EXECUTE FUNCTION app.w_insert()`,
	"update": `CREATE FUNCTION app.w_update() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path =
		pg_catalog, pg_temp AS $$BEGIN DELETE FROM app.notes WHERE id = NEW.id AND MINE; RETURN NEW; END$$;
		CREATE TRIGGER w INSTEAD OF UPDATE ON VIEW FOR EACH ROW EXECUTE FUNCTION app.w_update()`,
	"delete": `CREATE FUNCTION app.w_delete() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path =
		pg_catalog, pg_temp AS $$BEGIN DELETE FROM app.notes WHERE id = OLD.id AND MINE; RETURN OLD; END$$;
		CREATE TRIGGER w INSTEAD OF DELETE ON VIEW FOR EACH ROW EXECUTE FUNCTION app.w_delete()`,
	"back": `CREATE FUNCTION app.w_back() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path =
		pg_catalog, pg_temp AS $$BEGIN SELECT string_agg(body, ',') INTO NEW.body
		FROM app.notes WHERE MINE; RETURN NEW; END$$;
		CREATE TRIGGER w INSTEAD OF UPDATE ON VIEW FOR EACH ROW EXECUTE FUNCTION app.w_back()`,
	"rule_insert": "CREATE RULE w AS ON INSERT TO VIEW DO INSTEAD DELETE FROM app.notes WHERE id = NEW.id AND MINE",
	"rule_update": "CREATE RULE w AS ON UPDATE TO VIEW DO INSTEAD UPDATE app.notes SET body = NEW.body WHERE id = " +
		"NEW.id AND MINE",
	"rule_delete": "CREATE RULE w AS ON DELETE TO VIEW DO INSTEAD DELETE FROM app.notes WHERE id = OLD.id AND MINE",
}

// Each form leaks where it does not ask for the tenant, and none where it does.
func TestWritesThroughViews(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestSabotagesTogether
	var b strings.Builder
	b.WriteString(`CREATE TABLE app.notes (tenant_id uuid NOT NULL REFERENCES app.tenants(id), id int, body text,
		PRIMARY KEY (tenant_id, id));` + strings.NewReplacer("$T", "app.notes", "$C", "tenant_id").Replace(policy))
	for name, sql := range behindViews {
		for kind, mine := range map[string]string{"open": "true", "mine": "notes.tenant_id = " + currentTenant} {
			view := "app." + kind + "_" + name
			fmt.Fprintf(&b, "CREATE VIEW %[1]s WITH (security_barrier) AS SELECT id, body FROM app.notes WHERE tenant_id = "+
				"%[2]s; GRANT SELECT, INSERT, UPDATE, DELETE ON %[1]s TO $APP;\n%[3]s;\n", view, currentTenant,
				strings.NewReplacer("VIEW", view, "MINE", mine, "app.w_", "app."+kind+"_w_").Replace(sql))
		}
	}
	r := newFixture(t, rows, b.String()).prove(t, database.Options{})
	for name := range behindViews {
		for kind, want := range map[string]prove.Verdict{"open": prove.VerdictLeak, "mine": prove.VerdictIsolated} {
			p := r.Find("view write:app." + kind + "_" + name)
			if p == nil || p.Verdict != want {
				t.Errorf("%s %s: want %s, got %+v", kind, name, want, p)
			}
		}
	}
}
