package database_test

import (
	"strings"
	"testing"

	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/prove"
	"github.com/moat-db/moat/prove/database"
	"github.com/moat-db/moat/prove/internal/shop"
)

// awkward are tables that rows are hard to make for. All are protected on the column
// org_id, of type bigint, and empty.
var awkward = map[string]string{
	"domains and checks": `CREATE DOMAIN {s}.email AS text CHECK (VALUE ~ '^[^@]+@[^@]+\.[a-z]{2,}$');
		CREATE DOMAIN {s}.pct AS int CHECK (VALUE BETWEEN 10 AND 20);
		CREATE TABLE {t} (org_id bigint NOT NULL, id bigserial, mail {s}.email NOT NULL, share {s}.pct NOT NULL, code char(3)
			NOT NULL CHECK (code = upper(code)),
		starts date NOT NULL, ends date NOT NULL, CHECK (starts < ends),
			phone text NOT NULL CHECK (phone ~ '^\+[0-9]{8,15}$'), PRIMARY KEY (org_id, id), UNIQUE (org_id, mail))`,
	"exclusion": `CREATE EXTENSION IF NOT EXISTS btree_gist; CREATE TABLE {t} (org_id bigint NOT NULL, room int NOT NULL,
		during tstzrange NOT NULL, EXCLUDE USING gist (org_id WITH =, room WITH =, during WITH &&))`,
	"no key": `CREATE TABLE {t} (org_id bigint NOT NULL, a numeric(4,1), b inet, c macaddr, d interval, e time, f xml,
		g tsvector, h bit(5), i point, j int4range, k uuid[], l bytea NOT NULL, m money)`,
	"quoted": `CREATE TABLE {s}."Order Items" (org_id bigint NOT NULL, "select" int NOT NULL,
		"Mixed""Case" text NOT NULL DEFAULT 'x''y', PRIMARY KEY (org_id, "select"));
			ALTER TABLE {s}."Order Items" RENAME TO {n}`,
	"self": `CREATE TABLE {t} (org_id bigint NOT NULL, id int GENERATED ALWAYS AS IDENTITY, parent_id int,
		doubled int GENERATED ALWAYS AS (id * 2) STORED, PRIMARY KEY (org_id, id), FOREIGN KEY (org_id, parent_id)
			REFERENCES {t} (org_id, id) DEFERRABLE INITIALLY DEFERRED)`,
	"composite": `CREATE TYPE {s}.address AS (street text, zip int); CREATE TYPE {s}.mood AS ENUM ('sad', 'ok');
		CREATE TABLE {t} (org_id bigint NOT NULL, id uuid PRIMARY KEY DEFAULT gen_random_uuid(), home {s}.address,
			mood {s}.mood NOT NULL, moods {s}.mood[] NOT NULL, doc jsonb NOT NULL CHECK (jsonb_typeof(doc) = 'object'))`,
	"list": `CREATE TABLE {t} (org_id bigint NOT NULL, region text NOT NULL, id int NOT NULL, PRIMARY KEY (org_id,
		region, id)) PARTITION BY LIST (region); CREATE TABLE {t}_eu PARTITION OF {t} FOR VALUES IN ('eu', 'uk');
			CREATE TABLE {t}_us PARTITION OF {t} FOR VALUES IN ('us')`,
	"hash": `CREATE TABLE {t} (org_id bigint NOT NULL, id bigint NOT NULL, PRIMARY KEY (org_id, id))
		PARTITION BY HASH (org_id); CREATE TABLE {t}_0 PARTITION OF {t} FOR VALUES WITH (MODULUS 2, REMAINDER 0);
			CREATE TABLE {t}_1 PARTITION OF {t} FOR VALUES WITH (MODULUS 2, REMAINDER 1)`,
	"one of two": `CREATE TABLE {t} (org_id bigint NOT NULL, id int, a text, b text, CHECK (num_nonnulls(a, b) = 1),
		state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'done')), done_at timestamptz, CHECK ((state = 'done')
			= (done_at IS NOT NULL)), PRIMARY KEY (org_id, id))`,
	"trigger": `CREATE TABLE {t} (org_id bigint NOT NULL, id bigserial, name text NOT NULL, PRIMARY KEY (org_id, id));
		CREATE FUNCTION {s}.strict() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
			IF NEW.name LIKE 'moat%' THEN RAISE EXCEPTION 'no such names here'; END IF; RETURN NEW; END$$;
		CREATE TRIGGER strict BEFORE INSERT ON {t} FOR EACH ROW EXECUTE FUNCTION {s}.strict()`,
	"short unique code": `CREATE TABLE {t} (org_id bigint NOT NULL, code varchar(4) NOT NULL CHECK (length(code) = 4),
		slug text NOT NULL CHECK (slug ~ '^[a-z0-9-]+$'), PRIMARY KEY (org_id, code), UNIQUE (org_id, slug))`,
}

const orgPolicy = `
ALTER TABLE {t} ENABLE ROW LEVEL SECURITY; ALTER TABLE {t} FORCE ROW LEVEL SECURITY;
CREATE POLICY org ON {t} USING (org_id = (SELECT nullif(current_setting('app.org', true), '')::bigint));
GRANT SELECT, INSERT, UPDATE, DELETE ON {t} TO {app}; ALTER TABLE {t} OWNER TO {owner};`

func TestAwkwardSchemasAreDecided(t *testing.T) {
	t.Parallel()
	for name, sql := range awkward {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pgtest.Full(t, "domains and checks", "list")
			db := pgtest.New(t)
			app, owner := db.Role(t, "app", "LOGIN"), db.Role(t, "owner", "NOLOGIN")
			names := strings.NewReplacer("{t}", "shop.thing", "{s}", "shop", "{n}", "thing", "{app}", app, "{owner}", owner)
			db.Exec(t, names.Replace("CREATE SCHEMA shop; GRANT USAGE ON SCHEMA shop TO {app};"+sql+";"+orgPolicy+"GRANT USAGE "+
				"ON ALL SEQUENCES IN SCHEMA shop TO {app}"))
			f := &fixture{&shop.Fixture{Database: db, App: app, Owner: owner}}
			r := f.prove(t, database.Options{})
			allowed := 0
			if p := r.Find("trigger:shop.thing"); p != nil && p.Verdict == prove.VerdictUndecided {
				allowed = 1 // the trigger refuses every name that can be made up, and says so
			}
			if r.Count(prove.VerdictLeak) > 0 || r.Count(prove.VerdictUndecided) != allowed ||
				r.Find("planted rows:shop.thing") == nil || r.Find("insert:shop.thing") == nil {
				shop.Show(t, r, prove.VerdictLeak, prove.VerdictUndecided)
				t.Errorf("verdict = %s; not tried: %q", r.Verdict, r.NotTried)
			}
			db.Exec(t, names.Replace("ALTER TABLE {t} DISABLE ROW LEVEL SECURITY"))
			if r := f.prove(t, database.Options{}); r.Find("read:shop.thing").Verdict != prove.VerdictLeak ||
				r.Find("insert:shop.thing").Verdict != prove.VerdictLeak {
				t.Errorf("without row-level security: %v", ids(r.Leaks()))
			}
		})
	}
}
