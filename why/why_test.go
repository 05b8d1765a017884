package why_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/policy"
	"github.com/moat-db/moat/tenancy"
	"github.com/moat-db/moat/why"
)

const (
	acme   = "11111111-1111-1111-1111-111111111111"
	globex = "22222222-2222-2222-2222-222222222222"
	nobody = "99999999-9999-9999-9999-999999999999"
)

// shop is an agency's database as protect leaves one; {app} and {owner} are roles.
const shop = `
CREATE SCHEMA app AUTHORIZATION {owner};
GRANT USAGE ON SCHEMA app TO {app};
SET ROLE {owner};
CREATE TABLE app.tenants (id uuid PRIMARY KEY, name text NOT NULL, suspended boolean NOT NULL DEFAULT false);
CREATE TABLE app.leads (
	tenant_id uuid DEFAULT (nullif(current_setting('app.current_tenant', true), '')::uuid) REFERENCES app.tenants,
	id int NOT NULL, email text NOT NULL, status text NOT NULL DEFAULT 'new', deleted_at timestamptz, secret text,
	PRIMARY KEY (tenant_id, id), UNIQUE (email));
CREATE TABLE app.notes (
	tenant_id uuid NOT NULL DEFAULT (nullif(current_setting('app.current_tenant', true), '')::uuid),
	id int GENERATED ALWAYS AS IDENTITY, lead_id int NOT NULL, author text, body text, PRIMARY KEY (tenant_id, id),
	FOREIGN KEY (tenant_id, lead_id) REFERENCES app.leads (tenant_id, id));
CREATE TABLE app.members (tenant_id uuid NOT NULL REFERENCES app.tenants, user_id text NOT NULL,
	PRIMARY KEY (tenant_id, user_id));
DO $$ DECLARE t text; BEGIN
	FOREACH t IN ARRAY ARRAY['leads', 'notes', 'members'] LOOP
		EXECUTE format('CREATE POLICY tenant_isolation ON app.%I AS RESTRICTIVE
			USING (tenant_id = (SELECT nullif(current_setting(''app.current_tenant'', true), '''')::uuid))', t);
		EXECUTE format('CREATE POLICY tenant_access ON app.%I TO {app} USING (true) WITH CHECK (true)', t);
		EXECUTE format('ALTER TABLE app.%I ENABLE ROW LEVEL SECURITY', t);
		EXECUTE format('ALTER TABLE app.%I FORCE ROW LEVEL SECURITY', t);
		EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON app.%I TO {app}', t);
	END LOOP;
END $$;
RESET ROLE;
INSERT INTO app.tenants VALUES ('` + acme + `', 'Acme'), ('` + globex + `', 'Globex');
INSERT INTO app.leads (tenant_id, id, email) VALUES ('` + acme + `', 1, 'a@acme'), ('` + acme + `', 2, 'b@acme'),
	('` + globex + `', 7, 'c@globex');
INSERT INTO app.members VALUES ('` + acme + `', 'ada');
`

type database struct {
	*pgtest.Database
	app, owner string
}

func newShop(t *testing.T, also string) database {
	t.Helper()
	db := pgtest.Template(t, "why", func(t testing.TB, db *pgtest.Database) {
		app, owner := db.AppRole(t), db.Role(t, "owner", "NOLOGIN")
		db.Roles["app"] = app
		db.Exec(t, strings.NewReplacer("{app}", app, "{owner}", owner).Replace(shop))
	})
	d := database{db, db.Roles["app"], db.Roles["owner"]}
	if also != "" {
		db.Exec(t, strings.NewReplacer("{app}", d.app, "{owner}", d.owner).Replace(also))
	}
	return d
}

func (d database) ask(t *testing.T, role string, q why.Question) (*why.Answer, error) {
	t.Helper()
	if q.Model.Schemas == nil {
		q.Model.Schemas = []string{"app"}
	}
	return why.Ask(t.Context(), d.Conn(t, d.URL), d.Conn(t, d.As(t, role)), q)
}

type aCase struct {
	name  string
	setup string
	q     why.Question
	as    string // another role than the application's
	want  why.Kind
	about string // what Object must contain
}

func asked(tenant, sql string) why.Question {
	return why.Question{SQL: sql, Scope: moat.Scope{Tenant: moat.Tenant(tenant)}}
}

// Cases are causes that are known because the test made them.
func cases() []aCase {
	return []aCase{
		{name: "no tenant", q: asked("", "SELECT * FROM app.leads"), want: why.NoTenant, about: "app.current_tenant"},
		{name: "no tenant for an insert", q: asked("", "INSERT INTO app.notes (lead_id) VALUES (1)"), want: why.NoTenant},
		{name: "another setting", q: why.Question{SQL: "SELECT * FROM app.leads",
			Settings: map[string]string{"app.tenant": acme}}, want: why.WrongSetting, about: "app.current_tenant"},
		{name: "unknown tenant", q: asked(nobody, "SELECT * FROM app.leads"), want: why.UnknownTenant},
		{name: "not a uuid", q: asked("acme", "SELECT * FROM app.leads"), want: why.InvalidTenant},
		{name: "suspended", setup: "UPDATE app.tenants SET suspended = true WHERE name = 'Acme'",
			q: asked(acme, "SELECT * FROM app.leads"), want: why.SuspendedTenant},
		{name: "another tenant's row", q: asked(acme, "SELECT * FROM app.leads WHERE id = 7"), want: why.OtherTenant,
			about: "app.leads"},
		{name: "another tenant's row, to change", q: asked(acme, "UPDATE app.leads SET status = 'won' WHERE id = 7"),
			want: why.OtherTenant},
		{name: "another tenant's row, counted", want: why.OtherTenant, q: why.Question{Args: []string{"c@globex"},
			SQL: "SELECT count(*) FROM app.leads l WHERE l.email = $1", Scope: moat.Scope{Tenant: acme}}},
		{name: "nobody's row", setup: "ALTER TABLE app.leads DROP CONSTRAINT leads_pkey CASCADE; ALTER TABLE app.leads " +
			"ALTER tenant_id DROP NOT NULL; UPDATE app.leads SET tenant_id = NULL WHERE id = 7",
			q: asked(acme, "SELECT * FROM app.leads WHERE id = 7"), want: why.RowOfNobody},
		{name: "soft delete", setup: "CREATE POLICY living ON app.leads AS RESTRICTIVE USING (deleted_at IS NULL); " +
			"UPDATE app.leads SET deleted_at = now() WHERE id = 1",
			q: asked(acme, "SELECT * FROM app.leads WHERE id = 1"), want: why.SoftDelete, about: "living"},
		{name: "a policy of the team's own", setup: "CREATE POLICY hot ON app.leads AS RESTRICTIVE USING (status <> 'new')",
			q: asked(acme, "SELECT * FROM app.leads"), want: why.PolicyTook, about: "hot"},
		{name: "not a member", setup: "CREATE POLICY membership ON app.leads AS RESTRICTIVE USING (EXISTS (SELECT FROM " +
			"app.members m WHERE m.tenant_id = leads.tenant_id AND m.user_id = current_setting('app.subject', true)))",
			q:    why.Question{SQL: "SELECT * FROM app.leads", Scope: moat.Scope{Tenant: acme, Subject: "bob"}},
			want: why.Membership, about: "membership"},
		{name: "no subject", setup: "CREATE POLICY membership ON app.leads AS RESTRICTIVE USING (EXISTS (SELECT FROM " +
			"app.members m WHERE m.tenant_id = leads.tenant_id AND m.user_id = current_setting('app.subject', true)))",
			q: asked(acme, "SELECT * FROM app.leads"), want: why.MissingFact, about: "app.subject"},
		{name: "role not named", setup: "GRANT SELECT ON app.leads TO {reporter}; GRANT USAGE ON SCHEMA app TO {reporter}",
			q: asked(acme, "SELECT * FROM app.leads"), as: "reporter", want: why.RoleNotNamed, about: "app.leads"},
		{name: "no policy", setup: "DROP POLICY tenant_isolation ON app.notes; DROP POLICY tenant_access ON app.notes",
			q: asked(acme, "SELECT * FROM app.notes"), want: why.NoPolicy, about: "app.notes"},
		{name: "no policy for the command", setup: "DROP POLICY tenant_access ON app.leads; CREATE POLICY reads ON " +
			"app.leads FOR SELECT TO {app} USING (true)",
			q: asked(acme, "DELETE FROM app.leads WHERE id = 1"), want: why.NoPolicyForIt},
		{name: "view's owner", setup: "GRANT CREATE ON SCHEMA app TO {owner}; SET ROLE {owner}; CREATE VIEW app.open_leads " +
			"AS SELECT * FROM app.leads; GRANT SELECT ON app.open_leads TO {app}",
			q: asked(acme, "SELECT * FROM app.open_leads"), want: why.ViewOwner, about: "app.leads"},
		{name: "function's owner under FORCE", setup: "SET ROLE {owner}; CREATE FUNCTION app.how_many() RETURNS bigint " +
			"LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS $$ BEGIN RETURN (SELECT count(*) FROM " +
			"app.leads); END $$",
			q: asked(acme, "SELECT app.how_many()"), want: why.OwnerForced, about: "app.leads"},
		{name: "no grant", setup: "REVOKE DELETE ON app.leads FROM {app}",
			q:    asked(acme, "DELETE FROM app.leads WHERE id = 1"),
			want: why.GrantTable, about: "app.leads"},
		{name: "no grant on a column", setup: "REVOKE SELECT ON app.leads FROM {app}; GRANT SELECT (tenant_id, id, email) " +
			"ON app.leads TO {app}", q: asked(acme, "SELECT id, secret FROM app.leads"), want: why.GrantColumn},
		{name: "no grant on the schema", setup: "REVOKE USAGE ON SCHEMA app FROM {app}",
			q: asked(acme, "SELECT * FROM app.leads"), want: why.GrantSchema, about: "app"},
		{name: "no grant on the sequence", setup: "CREATE SEQUENCE app.numbers; ALTER TABLE app.leads ALTER id SET DEFAULT " +
			"nextval('app.numbers')", q: asked(acme, "INSERT INTO app.leads (email) VALUES ('x')"), want: why.GrantSequence,
			about: "app.numbers"},
		{name: "parent of another tenant", q: asked(acme, "INSERT INTO app.notes (lead_id, body) VALUES (7, 'x')"),
			want: why.ForeignKey, about: "app.notes"},
		{name: "key for all tenants", q: asked(acme, "INSERT INTO app.leads (id, email) VALUES (3, 'c@globex')"),
			want: why.UniqueKey, about: "leads_email_key"},
		{name: "row of another tenant written", q: asked(acme, "INSERT INTO app.leads (tenant_id, id, email) VALUES ('"+
			globex+"', 8, 'd@globex')"), want: why.WithCheck, about: "app.leads"},
		{name: "row given away", q: asked(acme, "UPDATE app.leads SET tenant_id = '"+globex+"' WHERE id = 1"),
			want: why.WithCheck, about: "app.leads"},
		{name: "trigger", setup: "CREATE FUNCTION app.frozen() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE " +
			"EXCEPTION 'leads are frozen'; END $$; CREATE TRIGGER stop BEFORE UPDATE ON app.leads FOR EACH ROW EXECUTE " +
			"FUNCTION app.frozen()", q: asked(acme, "UPDATE app.leads SET status = 'won'"), want: why.Trigger, about: "stop"},
		{name: "policy that raises", setup: "ALTER POLICY tenant_isolation ON app.leads USING (tenant_id = (SELECT " +
			"current_setting('app.current_tenant')::uuid))", q: asked("", "SELECT * FROM app.leads"), want: why.NoTenant},
		{name: "no tenant, sealed", setup: "CREATE SCHEMA moat; GRANT USAGE ON SCHEMA moat TO {app}; CREATE FUNCTION " +
			"moat.current_tenant() RETURNS text LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS $$ BEGIN " +
			"RETURN NULL; END $$; ALTER POLICY tenant_isolation ON app.leads USING (tenant_id = (SELECT " +
			"moat.current_tenant()::uuid))", q: asked("", "SELECT * FROM app.leads"), want: why.NoTenant},
		{name: "shadowed", setup: "CREATE TABLE public.leads (LIKE app.leads); GRANT SELECT ON public.leads TO {app}",
			q: asked(acme, "SELECT * FROM leads"), want: why.SearchPath, about: "public.leads"},
		{name: "not in the search path", q: asked(acme, "SELECT * FROM leads"), want: why.SearchPath, about: "app.leads"},
		{name: "not there at all", q: asked(acme, "SELECT * FROM app.orders"), want: why.NoTable},
		{name: "not protected", setup: "ALTER TABLE app.leads DISABLE ROW LEVEL SECURITY",
			q: asked(acme, "SELECT * FROM app.leads"), want: why.Unprotected, about: "app.leads"},
		{name: "owner without FORCE", setup: "ALTER TABLE app.leads NO FORCE ROW LEVEL SECURITY; GRANT {owner} TO {reporter}",
			q: asked(acme, "SELECT * FROM app.leads"), as: "reporter", want: why.Unprotected},
		{name: "read only", setup: "ALTER ROLE {app} IN DATABASE {db} SET default_transaction_read_only = on",
			q: asked(acme, "DELETE FROM app.leads"), want: why.ReadOnly},
		{name: "statement timeout", setup: "ALTER ROLE {app} IN DATABASE {db} SET statement_timeout = '200ms'",
			q: asked(acme, "SELECT pg_sleep(5)"), want: why.TimeLimit},
		{name: "copy", q: asked(acme, "COPY app.leads FROM STDIN"), want: why.CopyFrom},
		{name: "recursion", setup: "CREATE POLICY mine ON app.members AS RESTRICTIVE USING (tenant_id IN (SELECT " +
			"m.tenant_id FROM app.members m))", q: asked(acme, "SELECT * FROM app.members"), want: why.Recursion},
		{name: "materialized view", setup: "CREATE MATERIALIZED VIEW app.figures AS SELECT count(*) FROM app.leads WITH NO " +
			"DATA; GRANT SELECT ON app.figures TO {app}", q: asked(acme, "SELECT * FROM app.figures"), want: why.NotFilled},
		{name: "no such row", q: asked(acme, "SELECT * FROM app.leads WHERE id = 99"), want: why.Statement},
		{name: "offset", q: asked(acme, "SELECT * FROM app.leads OFFSET 10"), want: why.Statement},
		{name: "partition", setup: "CREATE TABLE app.events (tenant_id uuid NOT NULL, id int, kind text) PARTITION BY LIST " +
			"(kind); CREATE TABLE app.events_a PARTITION OF app.events FOR VALUES IN ('a'); CREATE TABLE app.events_b " +
			"PARTITION OF app.events FOR VALUES IN ('b'); INSERT INTO app.events VALUES ('" + globex + "', 1, 'a'); CREATE " +
			"POLICY wall ON app.events USING (tenant_id = nullif(current_setting('app.current_tenant', true), '')::uuid); " +
			"ALTER TABLE app.events ENABLE ROW LEVEL SECURITY; GRANT SELECT ON app.events TO {app}",
			q: asked(acme, "SELECT * FROM app.events WHERE id = 1"), want: why.OtherTenant},
		{name: "nothing to explain", q: asked(acme, "SELECT * FROM app.leads"), want: why.Nothing},

		// What looks alike and is something else, or cannot be told.
		{name: "soft delete of another tenant's row", setup: "CREATE POLICY living ON app.leads AS RESTRICTIVE USING " +
			"(deleted_at IS NULL); UPDATE app.leads SET deleted_at = now()",
			q: asked(acme, "SELECT * FROM app.leads WHERE id = 7"), want: why.OtherTenant},
		{name: "own condition in a subquery", q: asked(acme, "SELECT * FROM app.leads l WHERE l.id = 7 AND EXISTS "+
			"(SELECT FROM app.notes n WHERE n.lead_id = l.id OR l.id = 0)"), want: why.CannotTell},
		{name: "a function of the application's", setup: "CREATE FUNCTION app.fits(int) RETURNS boolean LANGUAGE sql AS " +
			"'SELECT false'", q: asked(acme, "SELECT * FROM app.leads WHERE app.fits(id)"), want: why.CannotTell},
		{name: "a join that keeps the rest", q: asked(acme, "SELECT * FROM app.leads l LEFT JOIN app.notes n ON n.lead_id = "+
			"l.id AND n.tenant_id = l.tenant_id WHERE l.id < 3 AND coalesce(n.body, 'none') = 'some'"), want: why.CannotTell},
		{name: "a member, and another policy", setup: "CREATE POLICY membership ON app.leads AS RESTRICTIVE USING (EXISTS " +
			"(SELECT FROM app.members m WHERE m.tenant_id = leads.tenant_id AND m.user_id = current_setting('app.subject', " +
			"true))); CREATE POLICY hot ON app.leads AS RESTRICTIVE USING (status <> 'new')",
			q:    why.Question{SQL: "SELECT * FROM app.leads", Scope: moat.Scope{Tenant: acme, Subject: "ada"}},
			want: why.PolicyTook, about: "hot"},
		{name: "a trigger that swallows", setup: "CREATE FUNCTION app.swallow() RETURNS trigger LANGUAGE plpgsql AS $$ " +
			"BEGIN RETURN NULL; END $$; CREATE TRIGGER swallow BEFORE UPDATE ON app.leads FOR EACH ROW EXECUTE " +
			"FUNCTION app.swallow()", q: asked(acme, "UPDATE app.leads SET status = 'won'"), want: why.CannotTell},
		{name: "a policy for UPDATE is narrower", setup: "CREATE POLICY open ON app.leads AS RESTRICTIVE FOR UPDATE USING " +
			"(status = 'open')", q: asked(acme, "UPDATE app.leads SET email = 'x'"), want: why.PolicyTook, about: "open"},
		{name: "a mark that hides the new row", setup: "CREATE POLICY living ON app.leads AS RESTRICTIVE FOR SELECT USING " +
			"(deleted_at IS NULL)", q: asked(acme, "UPDATE app.leads SET deleted_at = now() WHERE id = 1"),
			want: why.WithCheck, about: "living"},
		{name: "a permissive policy hides the new row", setup: "DROP POLICY tenant_access ON app.leads; CREATE POLICY r ON " +
			"app.leads FOR SELECT TO {app} USING (deleted_at IS NULL); CREATE POLICY w ON app.leads FOR UPDATE TO {app} USING " +
			"(true)", q: asked(acme, "UPDATE app.leads SET deleted_at = now() WHERE id = 1"), want: why.CannotTell},
		{name: "skipped because locked", q: asked(acme, "SELECT * FROM app.leads OFFSET 9 FOR UPDATE SKIP LOCKED"),
			want: why.CannotTell},
		{name: "an unknown tenant without a grant", setup: "REVOKE DELETE ON app.leads FROM {app}",
			q: asked(nobody, "DELETE FROM app.leads"), want: why.GrantTable},
		{name: "the trash", setup: "CREATE POLICY trash ON app.leads AS RESTRICTIVE USING (deleted_at IS NOT NULL)",
			q: asked(acme, "SELECT * FROM app.leads"), want: why.PolicyTook, about: "trash"},
		{name: "not in another tenant's", q: asked(acme, "SELECT * FROM app.leads WHERE coalesce((SELECT body "+
			"FROM app.notes WHERE id = 5), 'none') = 'some'"), want: why.CannotTell},
		{name: "no right to return", setup: "REVOKE SELECT ON app.leads FROM {app}", want: why.GrantTable,
			q: asked(acme, "INSERT INTO app.leads (id, email) VALUES (9, 'x') RETURNING id")},
		{name: "refused in a function of the owner's", setup: "SET ROLE {owner}; CREATE TABLE app.log (x int); RESET ROLE; " +
			"CREATE FUNCTION app.note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO app.log VALUES (1); RETURN " +
			"NEW; END $$; CREATE TRIGGER note BEFORE UPDATE ON app.leads FOR EACH ROW EXECUTE FUNCTION app.note()",
			q: asked(acme, "UPDATE app.leads SET status = 'won'"), want: why.CannotTell},
		{name: "raised by the statement's own function", setup: "CREATE FUNCTION app.fails() RETURNS int LANGUAGE plpgsql " +
			"AS $$ BEGIN RAISE insufficient_privilege; END $$", q: asked(acme, "SELECT app.fails()"), want: why.CannotTell},
	}
}

func TestCausesAreNamedRightly(t *testing.T) {
	t.Parallel()
	var named, wrong atomic.Int64
	t.Run("cases", func(t *testing.T) {
		for i, c := range cases() {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				pgtest.OneOf(t, 4, i)
				d := newShop(t, "")
				role := d.app
				if c.as != "" {
					role = d.Role(t, c.as, pgtest.AppAttributes)
				}
				roles := strings.NewReplacer("{app}", d.app, "{owner}", d.owner, "{reporter}", role, "{db}", d.Name)
				d.Exec(t, roles.Replace(c.setup))
				c.q.Standing = suspensions
				a, err := d.ask(t, role, c.q)
				if err != nil {
					t.Fatal(err)
				}
				switch {
				case a.Cause.Kind == c.want && strings.Contains(a.Cause.Object, c.about):
					named.Add(1)
				case a.Cause.Kind != why.CannotTell:
					wrong.Add(1)
					fallthrough
				default:
					t.Errorf("got %s of %q: %s\nwant %s of %q\n%+v\n%+v\n%q", a.Cause.Kind, a.Cause.Object, a.Cause.Text, c.want,
						c.about, a.Error, a.Tables, a.Unknown)
				}
			})
		}
	})
	t.Logf("%d of %d causes named rightly, %d wrongly", named.Load(), len(cases()), wrong.Load())
}

// suspensions read the column of the tenants table.
func suspensions(v *policy.View) (why.Standing, error) { return column{v}, nil }

type column struct{ v *policy.View }

func (c column) Suspended(ctx context.Context, conn *pgx.Conn, tenant string) (is bool, err error) {
	err = conn.QueryRow(ctx, "SELECT coalesce((SELECT suspended FROM "+c.v.Model.Tenants.SQL()+" WHERE id = $1), false)",
		tenant).Scan(&is)
	return is, err
}

// Whatever the statement does is taken back, and the answer has no value of a row.
func TestNothingStays(t *testing.T) {
	t.Parallel()
	d := newShop(t, "")
	a, err := d.ask(t, d.app, asked(acme, "DELETE FROM app.leads RETURNING email"))
	if err != nil || a.Count != 2 {
		t.Fatalf("%+v, %v", a, err)
	}
	conn := d.Conn(t, d.URL)
	var left int
	if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM app.leads").Scan(&left); err != nil || left != 3 {
		t.Errorf("%d rows are left, %v", left, err)
	}
}

// A function of the application's is not run with the operator's rights.
func TestOperatorRunsNothingForeign(t *testing.T) {
	t.Parallel()
	d := newShop(t, `CREATE TABLE public.seen (who text); GRANT INSERT ON public.seen TO PUBLIC;
		CREATE FUNCTION app.peek(int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS
			$$ BEGIN IF (SELECT count(*) FROM app.leads) > 2 THEN RAISE 'operator'; END IF;
			RETURN false; END $$;
		CREATE VIEW app.peeked WITH (security_invoker) AS SELECT * FROM app.leads WHERE app.peek(7);
		GRANT SELECT ON app.peeked TO {app};
		CREATE FUNCTION app.same(int, int) RETURNS boolean LANGUAGE sql AS 'SELECT app.peek($1)';
		CREATE OPERATOR app.=== (FUNCTION = app.same, LEFTARG = int, RIGHTARG = int);
		INSERT INTO app.notes (tenant_id, lead_id) VALUES ('`+acme+`', 1);
		CREATE POLICY peeks ON app.notes AS RESTRICTIVE USING (app.peek(id))`)
	for _, sql := range []string{"SELECT * FROM app.leads WHERE app.peek(7)", "SELECT * FROM app.peeked",
		"SELECT * FROM app.leads WHERE id OPERATOR(app.===) 7", "SELECT * FROM app.notes"} {
		a, err := d.ask(t, d.app, asked(acme, sql))
		if err != nil {
			t.Fatal(err)
		}
		if a.Outcome == why.Refused || strings.Contains(strings.Join(a.Unknown, " "), ": operator.") {
			t.Errorf("%s: %+v", sql, a)
		}
	}
}

func TestWhoIsBoundIsNoOperator(t *testing.T) {
	t.Parallel()
	d := newShop(t, "")
	conn := d.Conn(t, d.As(t, d.app))
	_, err := why.Ask(t.Context(), conn, d.Conn(t, d.As(t, d.app)), why.Question{SQL: "SELECT 1",
		Model: tenancy.Options{Schemas: []string{"app"}}})
	if err != why.ErrNotOperator {
		t.Errorf("got %v", err)
	}
}
