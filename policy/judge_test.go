package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/policy"
	"github.com/moat-db/moat/tenancy"
)

// judgeSchema is what the expressions of judgeCases speak of.
const judgeSchema = `
CREATE SCHEMA app; CREATE SCHEMA auth;
CREATE TABLE app.tenants (id uuid PRIMARY KEY, slug text UNIQUE, name text);
CREATE TABLE app.users (id uuid PRIMARY KEY, email text);
CREATE TABLE app.membership (tenant_id uuid NOT NULL REFERENCES app.tenants, user_id uuid NOT NULL REFERENCES app.users, role text);
CREATE TABLE app.projects (id uuid PRIMARY KEY, tenant_id uuid NOT NULL REFERENCES app.tenants);
CREATE TABLE app.doc (id uuid PRIMARY KEY, tenant_id uuid NOT NULL REFERENCES app.tenants, project_id uuid REFERENCES app.projects,
	owner_id uuid, user_id uuid, other_id uuid, body text, is_public boolean NOT NULL DEFAULT false, archived boolean, kind text);
CREATE TABLE app.loose (tenant_id uuid, body text);
CREATE TABLE app.named (tenant_id text NOT NULL, body text);
CREATE COLLATION app.insensitive (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE app.folded (tenant_id text COLLATE app.insensitive NOT NULL, body text);
CREATE TABLE app.fixed (tenant_id character(40) NOT NULL);
CREATE TABLE app.line (id uuid PRIMARY KEY, doc_id uuid REFERENCES app.doc, user_id uuid);
CREATE FUNCTION auth.jwt() RETURNS jsonb LANGUAGE sql STABLE AS $$
	select coalesce(nullif(current_setting('request.jwt.claim', true), ''), nullif(current_setting('request.jwt.claims', true), ''))::jsonb $$;
CREATE FUNCTION auth.uid() RETURNS uuid LANGUAGE sql STABLE AS $$
	select coalesce(nullif(current_setting('request.jwt.claim.sub', true), ''), (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'))::uuid $$;
CREATE FUNCTION app.tenant() RETURNS uuid LANGUAGE sql STABLE AS $$ SELECT nullif(current_setting('app.current_tenant', true), '')::uuid $$;
CREATE FUNCTION app.tenant_atomic() RETURNS uuid LANGUAGE sql STABLE BEGIN ATOMIC SELECT nullif(current_setting('app.current_tenant', true), '')::uuid; END;
CREATE FUNCTION app.tenant_return() RETURNS uuid LANGUAGE sql STABLE RETURN nullif(current_setting('app.current_tenant', true), '')::uuid;
CREATE FUNCTION app.tenant_volatile() RETURNS uuid LANGUAGE sql AS $$ SELECT nullif(current_setting('app.current_tenant', true), '')::uuid; $$;
CREATE FUNCTION app.tenant_frozen() RETURNS uuid LANGUAGE sql IMMUTABLE AS $$ SELECT nullif(current_setting('app.current_tenant', true), '')::uuid $$;
CREATE FUNCTION app.tenant_raises() RETURNS uuid LANGUAGE sql STABLE AS $$ SELECT current_setting('app.current_tenant')::uuid $$;
CREATE FUNCTION app.tenant_pl() RETURNS uuid LANGUAGE plpgsql STABLE AS $$
	DECLARE v text := current_setting('app.current_tenant', true); -- may be ''
	BEGIN
		IF v IS NULL OR v = '' THEN RETURN NULL; END IF;
		RETURN v::uuid;
	END $$;
CREATE FUNCTION app.tenant_pl_caught() RETURNS uuid LANGUAGE plpgsql STABLE AS $$
	BEGIN RETURN current_setting('app.current_tenant')::uuid; EXCEPTION WHEN others THEN RETURN NULL; END $$;
CREATE FUNCTION app.tenant_pl_into() RETURNS uuid LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = app, pg_temp AS $$
	DECLARE t uuid; BEGIN SELECT m.tenant_id INTO t FROM membership m WHERE m.user_id = auth.uid() LIMIT 1; RETURN t; END $$;
CREATE FUNCTION app.tenant_or_first() RETURNS uuid LANGUAGE plpgsql STABLE AS $$
	DECLARE t uuid; BEGIN t := nullif(current_setting('app.current_tenant', true), '')::uuid;
	IF t IS NULL THEN SELECT id INTO t FROM app.tenants LIMIT 1; END IF; RETURN t; END $$;
CREATE FUNCTION app.my_tenants() RETURNS SETOF uuid LANGUAGE sql STABLE SECURITY DEFINER AS $$ SELECT tenant_id FROM app.membership WHERE user_id = auth.uid() $$;
CREATE FUNCTION app.all_tenants() RETURNS SETOF uuid LANGUAGE sql STABLE SECURITY DEFINER AS $$ SELECT tenant_id FROM app.membership $$;
CREATE FUNCTION app.is_member(t uuid) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER AS $$
	SELECT EXISTS (SELECT 1 FROM app.membership m WHERE m.tenant_id = t AND m.user_id = auth.uid()) $$;
CREATE FUNCTION app.is_member_captured(tenant_id uuid) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER AS $$
	SELECT EXISTS (SELECT 1 FROM app.membership m WHERE m.tenant_id = tenant_id AND m.user_id = auth.uid()) $$;
CREATE FUNCTION app.has_role(t uuid, wanted text) RETURNS boolean LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$
	BEGIN
		IF EXISTS (SELECT 1 FROM app.membership m WHERE m.tenant_id = t AND m.user_id = auth.uid() AND m.role = wanted) THEN RETURN true; END IF;
		RETURN false;
	END $$;
CREATE FUNCTION app.is_admin() RETURNS boolean LANGUAGE sql STABLE AS $$ SELECT coalesce(current_setting('app.is_admin', true), 'off') = 'on' $$;
CREATE FUNCTION app.same_tenant(t uuid) RETURNS boolean LANGUAGE sql STABLE AS $$ SELECT $1 = app.tenant() $$;
CREATE FUNCTION app.anything(t uuid) RETURNS boolean LANGUAGE sql STABLE AS $$ SELECT $1 IS NOT NULL $$;
CREATE FUNCTION app.flagged(t uuid) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
	DECLARE ok boolean := false; BEGIN IF t IS NOT NULL THEN ok := true; END IF; RETURN ok; END $$;
CREATE FUNCTION app.user_email() RETURNS text LANGUAGE sql STABLE AS $$ SELECT current_setting('app.user_email', true) $$;
`

// setting is the setting in the form that moat writes.
const setting = `nullif(current_setting('app.current_tenant', true), '')::uuid`

// judgeCases are expressions of policies, on app.doc where no other table is named,
// with what is to be found of them.
func judgeCases() []struct{ table, expr, want string } {
	return []struct{ table, expr, want string }{
		// Correct, in many spellings.
		{"", `tenant_id = (SELECT ` + setting + `)`, "isolates wrapped"},
		{"", `tenant_id = ` + setting, "isolates"},
		{"", `(SELECT ` + setting + `) = tenant_id`, "isolates wrapped"},
		{"", `tenant_id = current_setting('app.current_tenant')::uuid`, "isolates raises"},
		{"", `tenant_id = current_setting('app.current_tenant', true)::uuid`, "isolates raises"},
		{"", `tenant_id::text = current_setting('app.current_tenant', true)`, "isolates column-wrapped"},
		{"", `tenant_id = current_setting('App.Current_Tenant', true)::uuid`, "isolates raises"},
		{"", `tenant_id = coalesce(nullif(current_setting('app.current_tenant', true), ''), NULL)::uuid`, "isolates"},
		{"", `tenant_id = coalesce(nullif(current_setting('app.current_tenant', true), ''), '00000000-0000-0000-0000-000000000000')::uuid`, "isolates"},
		{"", `tenant_id = ANY (ARRAY(SELECT ` + setting + `))`, "isolates wrapped"},
		{"", `tenant_id = ANY (ARRAY[` + setting + `])`, ""},
		{"", `tenant_id IN (SELECT ` + setting + `)`, "isolates sub-link"},
		{"", `tenant_id = (SELECT ` + setting + `) AND NOT archived`, "isolates wrapped"},
		{"", `tenant_id = (SELECT ` + setting + `) AND (is_public OR kind = 'x')`, "isolates wrapped"},
		{"", `(tenant_id = ` + setting + `) IS TRUE`, "isolates"},
		{"", `coalesce(tenant_id = ` + setting + `, false)`, "isolates"},
		{"", `(SELECT tenant_id = ` + setting + `)`, "isolates"},
		{"", `tenant_id = app.tenant()`, "isolates"},
		{"", `tenant_id = (SELECT app.tenant())`, "isolates wrapped"},
		{"", `tenant_id = app.tenant_volatile()`, "isolates"},
		{"", `tenant_id = app.tenant_raises()`, "isolates raises"},
		{"", `tenant_id = app.tenant_pl()`, "isolates"},
		{"", `tenant_id = app.tenant_pl_caught()`, "isolates"},
		{"", `tenant_id = (SELECT app.tenant_pl_into())`, "isolates wrapped"},
		{"", `app.same_tenant(tenant_id)`, "isolates"},
		{"", `tenant_id IS NOT DISTINCT FROM ` + setting, "isolates not-distinct"},
		{"named", `tenant_id = current_setting('app.current_tenant', true)`, "isolates"},
		{"named", `tenant_id = nullif(current_setting('app.current_tenant', true), '')`, "isolates"},
		{"named", `tenant_id COLLATE "C" = current_setting('app.current_tenant', true)`, "isolates"},
		{"folded", `tenant_id COLLATE "C" = current_setting('app.current_tenant', true)`, "isolates"},
		{"fixed", `tenant_id COLLATE "C" = current_setting('app.current_tenant', true)`, "isolates column-wrapped"},
		{"fixed", `tenant_id::text = current_setting('app.current_tenant', true)`, "isolates column-wrapped"},
		// Claims, as PostgREST and Supabase hand them over.
		{"", `tenant_id = (current_setting('request.jwt.claims', true)::json->>'tenant_id')::uuid`, "isolates raises"},
		{"", `tenant_id = (SELECT (nullif(current_setting('request.jwt.claims', true), '')::jsonb->>'tenant_id')::uuid)`, "isolates wrapped"},
		{"", `tenant_id = (current_setting('request.jwt.claims', true)::jsonb #>> '{app_metadata,tenant_id}')::uuid`, "isolates raises"},
		{"", `tenant_id = nullif(current_setting('request.jwt.claim.tenant_id', true), '')::uuid`, "isolates"},
		{"", `tenant_id = (auth.jwt() -> 'app_metadata' ->> 'tenant_id')::uuid`, "isolates"},
		{"", `tenant_id = (SELECT (auth.jwt() -> 'app_metadata' ->> 'tenant_id')::uuid)`, "isolates wrapped"},
		{"", `tenant_id::text IN (SELECT jsonb_array_elements_text(auth.jwt() -> 'app_metadata' -> 'tenants'))`, "isolates column-wrapped sub-link"},
		{"", `(auth.jwt() -> 'app_metadata' -> 'tenants') ? tenant_id::text`, "isolates column-wrapped"},
		// Memberships.
		{"", `tenant_id IN (SELECT tenant_id FROM app.membership WHERE user_id = auth.uid())`, "isolates sub-link"},
		{"", `tenant_id IN (SELECT m.tenant_id FROM app.membership m WHERE m.user_id = (SELECT auth.uid()) AND m.role = 'admin')`, "isolates sub-link"},
		{"", `tenant_id = ANY (ARRAY(SELECT tenant_id FROM app.membership WHERE user_id = auth.uid()))`, "isolates wrapped"},
		{"", `tenant_id = ANY ((SELECT array_agg(tenant_id) FROM app.membership WHERE user_id = auth.uid())::uuid[])`, "isolates wrapped"},
		{"", `EXISTS (SELECT 1 FROM app.membership m WHERE m.tenant_id = doc.tenant_id AND m.user_id = auth.uid())`, "isolates sub-link"},
		{"", `EXISTS (SELECT 1 FROM app.membership m WHERE m.tenant_id = doc.tenant_id AND m.user_id = current_setting('app.user_id')::uuid)`, "isolates raises sub-link"},
		{"", `EXISTS (SELECT 1 FROM app.membership m JOIN app.users u ON u.id = m.user_id WHERE m.tenant_id = doc.tenant_id AND u.email = auth.jwt() ->> 'email')`, "isolates sub-link"},
		{"", `auth.uid() IN (SELECT user_id FROM app.membership WHERE membership.tenant_id = doc.tenant_id)`, "isolates sub-link"},
		{"", `tenant_id IN (SELECT app.my_tenants())`, "isolates sub-link"},
		{"", `tenant_id IN (SELECT * FROM app.my_tenants())`, "isolates sub-link"},
		{"", `app.is_member(tenant_id)`, "isolates"},
		{"", `app.has_role(tenant_id, 'admin')`, "isolates"},
		{"", `tenant_id = (SELECT id FROM app.tenants WHERE slug = auth.jwt() ->> 'tenant')`, "isolates wrapped"},
		// Bound to the caller or to a parent, not to the row's own tenant.
		{"", `user_id = auth.uid()`, "own"},
		// People, through the memberships of the current tenant.
		{"users", `id = ANY (ARRAY(SELECT m.user_id FROM app.membership m WHERE m.tenant_id = (SELECT ` + setting + `)))`, "isolates wrapped"},
		{"users", `id IN (SELECT m.user_id FROM app.membership m WHERE m.tenant_id = ` + setting + `)`, "isolates sub-link"},
		{"users", `EXISTS (SELECT FROM app.membership m WHERE m.tenant_id = ` + setting + ` AND m.user_id = users.id)`, "isolates sub-link"},
		{"users", `id IN (SELECT m.user_id FROM app.membership m)`, "sub-link"},
		{"users", `id IN (SELECT m.tenant_id FROM app.membership m WHERE m.tenant_id = ` + setting + `)`, "sub-link"},
		{"", `(SELECT auth.uid()) = owner_id`, "own wrapped"},
		{"", `project_id IN (SELECT id FROM app.projects WHERE tenant_id = ` + setting + `)`, "own sub-link"},
		{"line", `EXISTS (SELECT 1 FROM app.doc d WHERE d.id = line.doc_id AND d.tenant_id = ` + setting + `)`, "isolates sub-link"},
		{"line", `doc_id IN (SELECT id FROM app.doc WHERE tenant_id = ` + setting + `)`, "isolates sub-link"},
		{"line", `user_id = auth.uid()`, "isolates"},
		{"line", `EXISTS (SELECT 1 FROM app.doc d WHERE d.id = line.doc_id)`, "sub-link"},
		// Open, each in its own way.
		{"", `true`, "true constant"},
		{"", `1 = 1`, "true constant"},
		{"", `tenant_id = tenant_id`, "true"},
		{"", `tenant_id IS NOT NULL`, "true"},
		{"", `true OR tenant_id = ` + setting, "true"},
		{"", `false`, "isolates false constant"},
		{"", `is_public`, ""},
		{"", `tenant_id = ` + setting + ` OR is_public`, ""},
		{"", `tenant_id = ` + setting + ` AND NOT archived OR kind = 'template'`, ""},
		{"", `tenant_id = coalesce(` + setting + `, tenant_id)`, "fails-open"},
		{"", `tenant_id = coalesce(` + setting + `, '11111111-1111-1111-1111-111111111111')`, "fails-open"},
		{"", `tenant_id = ` + setting + ` OR current_setting('app.current_tenant', true) IS NULL`, "fails-open"},
		{"", `tenant_id = ` + setting + ` OR current_setting('app.current_tenant', true) = ''`, "fails-open"},
		{"", `tenant_id = ` + setting + ` OR current_setting('app.is_admin', true) = 'on'`, "bypass:app.is_admin"},
		{"", `tenant_id = ` + setting + ` OR app.is_admin()`, "bypass:app.is_admin"},
		{"", `tenant_id = ` + setting + ` OR (auth.jwt() ->> 'role') = 'service_role'`, "bypass:request.jwt.claim,request.jwt.claims"},
		{"", `tenant_id = app.tenant_frozen()`, "immutable"},
		{"", `tenant_id = app.tenant_or_first()`, ""},
		{"", `tenant_id IN (SELECT app.all_tenants())`, "sub-link"},
		{"", `tenant_id IN (SELECT tenant_id FROM app.membership)`, "sub-link"},
		{"", `tenant_id IN (SELECT m.tenant_id FROM app.membership m, app.users u WHERE u.id = auth.uid())`, "sub-link"},
		{"", `tenant_id IN (SELECT o.tenant_id FROM app.membership m JOIN app.membership o ON o.role = m.role WHERE m.user_id = auth.uid())`, "sub-link"},
		{"", `app.is_member_captured(tenant_id)`, "captured"},
		{"", `app.anything(tenant_id)`, ""},
		{"", `EXISTS (SELECT 1 FROM app.membership m WHERE m.tenant_id = tenant_id AND m.user_id = auth.uid())`, "captured sub-link"},
		{"", `EXISTS (SELECT 1 FROM app.membership m WHERE m.user_id = auth.uid())`, "sub-link"},
		{"", `EXISTS (SELECT count(*) FROM app.membership m WHERE m.tenant_id = doc.tenant_id AND m.user_id = auth.uid())`, "sub-link"},
		{"", `EXISTS (SELECT 1 FROM app.tenants t LEFT JOIN app.membership m ON m.tenant_id = doc.tenant_id AND m.user_id = auth.uid())`, "sub-link"},
		{"", `tenant_id::text LIKE current_setting('app.current_tenant', true)`, "pattern"},
		{"", `tenant_id::text ~ current_setting('app.current_tenant', true)`, "pattern"},
		{"", `strpos(current_setting('app.current_tenant', true), tenant_id::text) > 0`, "pattern"},
		{"", `tenant_id::text = left(current_setting('app.current_tenant', true), 3)`, "pattern"},
		{"", `tenant_id <> ` + setting, "negated"},
		{"", `NOT (tenant_id = ` + setting + `)`, "negated"},
		{"", `tenant_id IS DISTINCT FROM ` + setting, "negated"},
		{"", `tenant_id = ` + setting + ` OR tenant_id IS NULL`, "isolates"}, // the column is never NULL
		{"loose", `tenant_id = ` + setting + ` OR tenant_id IS NULL`, "null-shared"},
		{"loose", `tenant_id IS NOT DISTINCT FROM ` + setting, "not-distinct"},
		{"folded", `tenant_id = current_setting('app.current_tenant', true)`, "inexact"},
		{"fixed", `tenant_id = current_setting('app.current_tenant', true)::bpchar`, ""},
		{"named", `tenant_id COLLATE app.insensitive = current_setting('app.current_tenant', true)`, ""},
		{"loose", `tenant_id IS NULL`, "null-shared"},
		{"loose", `tenant_id = ` + setting + ` OR tenant_id IS NULL OR body = 'x'`, ""},
		{"", `other_id = ` + setting, ""},
		{"", `id = ` + setting, ""},
		{"", `tenant_id = current_setting('app.other')::uuid`, ""},
		{"", `tenant_id = current_setting('app.user_id')::uuid`, ""},
		{"", `tenant_id::text = current_user`, "role"},
		{"", `tenant_id = (current_setting('request.headers', true)::json->>'x-tenant')::uuid`, "client"},
		{"", `tenant_id = (auth.jwt() -> 'user_metadata' ->> 'tenant_id')::uuid`, "client"},
		{"", `tenant_id::text = auth.jwt() ->> 'role'`, ""},
		{"", `tenant_id = '11111111-1111-1111-1111-111111111111'`, ""},
		{"", `CASE WHEN current_setting('app.current_tenant', true) IS NULL THEN true ELSE tenant_id = ` + setting + ` END`, ""},
		// Open, where the eye slips over it: what is never true, or never NULL, only seems so.
		{"", `app.flagged(tenant_id)`, ""},
		{"", `tenant_id = ` + setting + ` OR 1.0 = 1.00`, ""},
		{"", `tenant_id = ` + setting + ` OR coalesce(false, true)`, ""},
		{"", `tenant_id = ` + setting + ` OR coalesce(NULL, true)`, ""},
		{"", `tenant_id = ` + setting + ` OR NOT ((tenant_id = tenant_id) IS TRUE)`, "negated"},
		{"", `tenant_id = ` + setting + ` OR tenant_id::text::varchar(3)::text <> tenant_id::text`, "negated"},
		{"", `EXISTS (SELECT 1 FROM (SELECT id AS tenant_id, auth.uid() AS user_id FROM app.tenants) x
			WHERE x.tenant_id = doc.tenant_id AND x.user_id = auth.uid())`, "sub-link"},
		{"", `EXISTS (SELECT 1 FROM (SELECT id AS tenant_id, auth.uid() AS user_id FROM app.tenants UNION SELECT id, id FROM app.tenants) x
			WHERE x.tenant_id = doc.tenant_id AND x.user_id = auth.uid())`, "sub-link"},
		{"", `EXISTS (SELECT 1 FROM app.users u LEFT JOIN app.doc y ON y.id = u.id
			WHERE (u.id = auth.uid() AND doc.tenant_id = ` + setting + `) OR y.is_public IS NULL)`, "sub-link"},
		{"", `tenant_id IN (SELECT coalesce(m.tenant_id, p.tenant_id) FROM app.membership m, app.projects p WHERE m.user_id = auth.uid())`, "sub-link"},
		{"", `user_id = coalesce(current_setting('app.user_id', true), current_setting('app.impersonate', true))::uuid`, ""},
		{"named", `lower(tenant_id) = lower(current_setting('app.current_tenant', true))`, ""},
		{"named", `tenant_id = current_setting('app.current_tenant', true)::varchar(3)`, ""},
	}
}

func TestJudge(t *testing.T) {
	t.Parallel()
	pgtest.EachMajor(t, testJudge)
}

func testJudge(t *testing.T, c *pgtest.Cluster) {
	t.Parallel()
	db := c.New(t)
	db.Exec(t, judgeSchema)
	cases := judgeCases()
	var sql strings.Builder
	for i, c := range cases {
		if c.table == "" {
			c.table = "doc"
		}
		fmt.Fprintf(&sql, "CREATE POLICY p%03d ON app.%s FOR SELECT USING (%s);\n", i, c.table, c.expr)
	}
	db.Exec(t, sql.String())
	look := view(t, db, judgeModel())
	for i, c := range cases {
		if c.table == "" {
			c.table = "doc"
		}
		r := look.Relation(catalog.QName{Schema: "app", Name: c.table})
		for _, p := range r.Policies {
			if p.Name != fmt.Sprintf("p%03d", i) {
				continue
			}
			if p.Using.Root == nil {
				t.Errorf("%s: the tree was not read", c.expr)
			}
			if diff := cmp.Diff(c.want, words(look.Judge(p.Using, r))); diff != "" {
				t.Errorf("%s on %s (-want +got):\n%s", c.expr, c.table, diff)
			}
		}
	}
}

func judgeModel() *catalog.Model {
	return &catalog.Model{Column: "tenant_id", Type: "uuid", Setting: "app.current_tenant",
		Tenants: catalog.QName{Schema: "app", Name: "tenants"}, Key: "id"}
}

// words says a Judgement in one line.
func words(j policy.Judgement) string {
	var all []string
	for _, fact := range []struct {
		name  string
		holds bool
	}{
		{"isolates", j.Isolates}, {"own", j.OwnRows}, {"true", j.AlwaysTrue}, {"false", j.AlwaysFalse}, {"constant", j.Constant},
		{"fails-open", j.FailsOpen}, {"bypass:" + strings.Join(j.BypassFlags, ","), len(j.BypassFlags) > 0},
		{"captured", j.ColumnCaptured}, {"pattern", j.ComparesPattern}, {"inexact", j.InexactEquality},
		{"null-shared", j.NullMeansShared}, {"not-distinct", j.NotDistinct}, {"negated", j.Negated}, {"role", j.UsesRoleName},
		{"client", j.ClientValue}, {"immutable", j.ImmutableHelper}, {"raises", j.RaisesWhenUnset}, {"wrapped", j.Wrapped},
		{"column-wrapped", j.ColumnWrapped}, {"sub-link", j.SubLinkPerRow},
	} {
		if fact.holds {
			all = append(all, fact.name)
		}
	}
	return strings.Join(all, " ")
}

// view reads a database under a model.
func view(t testing.TB, db *pgtest.Database, m *catalog.Model) *policy.View {
	t.Helper()
	s, err := catalog.Load(t.Context(), db.Conn(t, db.URL))
	if err != nil {
		t.Fatal(err)
	}
	return policy.NewView(catalog.NewLookup(s, m))
}

// A function whose body is not read isolates only where the model trusts it.
func TestJudgeTrusted(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	db.Exec(t, `CREATE SCHEMA moat; CREATE TABLE doc (tenant_id uuid);
		CREATE FUNCTION moat.tenant() RETURNS uuid LANGUAGE plpgsql STABLE AS $$ BEGIN EXECUTE 'SELECT 1'; RETURN NULL; END $$;
		CREATE POLICY p ON doc USING (tenant_id = (SELECT moat.tenant()))`)
	for _, trusted := range []bool{false, true} {
		o := tenancy.Options{}
		if trusted {
			o.Trusted = []catalog.QName{{Schema: "moat", Name: "tenant"}}
		}
		v, err := tenancy.Read(t.Context(), db.Conn(t, db.URL), o)
		if err != nil {
			t.Fatal(err)
		}
		r := v.Relation(catalog.QName{Schema: "public", Name: "doc"})
		if got := v.Judge(r.Policies[0].Using, r).Isolates; got != trusted {
			t.Errorf("trusted %v: isolates %v", trusted, got)
		}
	}
}
