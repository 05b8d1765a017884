package audit_test

import (
	"context"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/audit"
	"github.com/moat-db/moat/audit/audittest"
	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/seal"
	"github.com/moat-db/moat/tenancy"
)

// beside are mistakes of rules that no hole stands for, or only one of the newest release.
type beside struct {
	rule, sql string
	options   tenancy.Options
	sealed    bool
	// evidence makes up what one server alone does not show: then the second look shows nothing new.
	evidence func(*audit.Evidence)
}

// shards are two of app.doc, with its policies.
const shards = `-- with: citus
	SELECT create_distributed_table('app.doc', 'tenant_id');
	DO $$ DECLARE t text; BEGIN
	  FOREACH t IN ARRAY ARRAY['pg_shards.doc_102008', 'pg_shards.doc_102009'] LOOP
	    EXECUTE format('CREATE TABLE %s (LIKE app.doc INCLUDING ALL)', t);
	    EXECUTE format('INSERT INTO %s SELECT * FROM app.doc', t);
	    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', t);
	    EXECUTE format('CREATE POLICY iso ON %s USING (tenant_id = (SELECT nullif(current_setting(
	      ''app.current_tenant'', true), '''')::uuid))', t);
	  END LOOP; END $$;
	CREATE FUNCTION app.guard() RETURNS event_trigger LANGUAGE plpgsql SET search_path = pg_catalog AS
	  $$ BEGIN /* ENABLE ROW LEVEL SECURITY */ END $$;
	CREATE EVENT TRIGGER guard_{{database}} ON ddl_command_end EXECUTE FUNCTION app.guard();
`

// orders have two parties.
const orders = `
	CREATE TABLE app.orders (id int PRIMARY KEY, seller uuid NOT NULL, buyer uuid NOT NULL, zz text, note text);
	INSERT INTO app.orders SELECT id, tenant_id, tenant_id, body, body FROM app.doc;
	ALTER TABLE app.orders OWNER TO {{owner}}; ALTER TABLE app.orders ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
	CREATE POLICY iso ON app.orders
	  USING (seller = (SELECT nullif(current_setting('app.current_tenant', true), '')::uuid));
	GRANT SELECT ON app.orders TO {{app}};
`

var besides = func() []beside {
	country, order := catalog.QName{Schema: "app", Name: "country"}, catalog.QName{Schema: "app", Name: "orders"}
	parties := tenancy.Options{Column: "tenant_id", Shapes: catalog.Shapes{
		Parties: []catalog.Parties{{Table: order, Owner: "seller", Reads: []string{"buyer"}}}}}
	return []beside{
		{rule: "citus-placement", sql: shards + "ALTER TABLE pg_shards.doc_102009 DISABLE ROW LEVEL SECURITY"},
		{rule: "citus-placement", sql: shards + "ALTER POLICY iso ON app.doc TO {{app}}",
			evidence: func(*audit.Evidence) {}}, // Citus hands DROP and CREATE POLICY on to the shards
		{rule: "citus-guard", sql: shards, evidence: func(e *audit.Evidence) {
			for _, placed := range e.Placements { // here coordinator and worker are one server
				for i := range placed.Shards {
					placed.Shards[i].Guarded = false
				}
			}
		}},
		{rule: "seal-function", sealed: true,
			sql: "GRANT EXECUTE ON FUNCTION moat.enter(text, bigint, text, bytea, text) TO PUBLIC"},
		{rule: "seal-key-readable", sealed: true, sql: "GRANT SELECT ON moat.seal_key TO {{app}}"},
		{rule: "seal-key-readable", sealed: true, sql: "GRANT UPDATE (valid_until) ON moat.seal_key TO PUBLIC"},
		{rule: "seal-old-key", sealed: true, sql: `UPDATE moat.seal_key SET created_at = now() - interval '3 days';
			INSERT INTO moat.seal_key SELECT 'newer000', token_inner, token_outer, seal_inner, seal_outer, false,
			now() - interval '2 days' FROM moat.seal_key`},
		{rule: "rls-shape", sql: orders + "GRANT UPDATE ON app.orders TO {{app}}", options: parties},
		{rule: "rls-shape", sql: orders + "GRANT UPDATE (seller, note) ON app.orders TO {{app}}", options: parties},
		{rule: "rls-shared-writable", sql: `CREATE TABLE app.country (code text PRIMARY KEY, name text);
			INSERT INTO app.country VALUES ('de', 'Germany'); ALTER TABLE app.country OWNER TO {{owner}};
			GRANT SELECT, INSERT, UPDATE, DELETE ON app.country TO {{app}}`,
			options: tenancy.Options{Shared: []catalog.QName{country}}},
		{rule: "role-admin-option", sql: "-- versions: 16+\n-- role: r_all NOLOGIN BYPASSRLS\n" +
			"GRANT {{r_all}} TO {{app}} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE"},
		{rule: "session-parameter-grant", sql: "-- versions: 15+\n" +
			"GRANT SET ON PARAMETER session_replication_role TO {{app}}"},
		{rule: "session-parameter-grant", sql: "-- versions: 15+\nGRANT ALTER SYSTEM ON PARAMETER work_mem TO {{app}}"},
		{rule: "grant-maintain", sql: "-- versions: 17+\nGRANT MAINTAIN ON app.doc TO {{app}}"},
	}
}()

// The SQL of these rules, run alone, closes what it claims, shows no tenant more and takes no
// rows from one. In sealed mode the tenants are bound by their signatures.
func TestFixesBesideHoles(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestFixesCloseWhatTheyClaim
	pgtest.EachMajor(t, func(t *testing.T, c *pgtest.Cluster) {
		setup := audittest.Setups(t, c)
		for _, b := range besides {
			sql := b.sql
			if b.sealed {
				sql = "SELECT 1" // the mistake is made once the mode is on
			}
			h := audittest.Made(b.rule, sql)
			if !h.Applies(c.Major) {
				continue
			}
			t.Run(b.rule, func(t *testing.T) {
				t.Parallel()
				s := b.spectator(t, func() *audittest.Fixture {
					if b.sealed {
						return h.Setup(t, c)
					}
					return setup(t, h)
				}())
				found := b.audit(t, s)
				if len(found) == 0 {
					t.Fatal("no SQL to try")
				}
				before := s.look(t)
				for _, x := range found {
					s.apply(t, x)
					s.compare(t, x, before, s.look(t))
				}
				for _, x := range b.audit(t, s) {
					if b.evidence == nil {
						t.Errorf("fixed, and still: %s", describe([]audit.Finding{x}))
					}
				}
			})
		}
	})
}

func (b beside) spectator(t *testing.T, f *audittest.Fixture) *spectator {
	t.Helper()
	if !b.sealed {
		return newSpectator(t, f, "app", "pg_shards")
	}
	conn := f.Conn(t, f.URL)
	key := seal.NewKey()
	owner := f.Role(t, "sealer", "NOLOGIN")
	for _, err := range []error{
		seal.Install(t.Context(), conn, seal.InstallOptions{Owner: owner, Applications: []string{f.App}}),
		seal.AddKey(t.Context(), conn, key, seal.KeyOptions{}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := seal.Switch(t.Context(), conn, seal.Sealed, nil); err != nil {
		t.Fatal(err)
	}
	f.Exec(t, f.Expand(b.sql))
	sealer, err := seal.New(key.Signer(), nil)
	if err != nil {
		t.Fatal(err)
	}
	s := newSpectator(t, f, "app")
	s.bind = func(ctx context.Context, conn *pgx.Conn, tenant string) error {
		statement, args, err := sealer.Bind(ctx, moat.Tenant(tenant), conn.PgConn().PID())
		if err != nil {
			return err
		}
		_, err = conn.Exec(ctx, statement, args...)
		return err
	}
	return s
}

// audit returns the findings of the rule, in the transaction of the spectator.
func (b beside) audit(t *testing.T, s *spectator) []audit.Finding {
	t.Helper()
	s.exec(t, "SAVEPOINT audit") // which reads only
	defer s.exec(t, "ROLLBACK TO audit")
	o := b.options
	o.Roles = []string{s.App}
	v, err := tenancy.Read(t.Context(), s.conn, o)
	if err != nil {
		t.Fatal(err)
	}
	e, err := audit.Probe(t.Context(), s.conn, v)
	if err != nil {
		t.Fatal(err)
	}
	if b.evidence != nil {
		b.evidence(&e)
	}
	return slices.DeleteFunc(audit.Run(v, audit.Options{Owner: s.Owner, Evidence: e}).Findings,
		func(x audit.Finding) bool { return x.Rule != b.rule || len(x.Fix) == 0 })
}
