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

// judgeSchema is what the expressions of judgeCases mention.
const judgeSchema = `
CREATE SCHEMA app; CREATE SCHEMA auth;
CREATE TABLE app.tenants (id uuid PRIMARY KEY, slug text UNIQUE, name text);
CREATE TABLE app.users (id uuid PRIMARY KEY, email text);
CREATE TABLE app.membership (tenant_id uuid NOT NULL REFERENCES app.tenants, user_id uuid NOT NULL
	REFERENCES app.users, role text);
CREATE TABLE app.projects (id uuid PRIMARY KEY, tenant_id uuid NOT NULL REFERENCES app.tenants);
CREATE TABLE app.doc (id uuid PRIMARY KEY, tenant_id uuid NOT NULL REFERENCES app.tenants, project_id uuid
	REFERENCES app.projects,
	owner_id uuid, user_id uuid, other_id uuid, body text, is_public boolean NOT NULL DEFAULT false,
		archived boolean, kind text);
CREATE TABLE app.loose (tenant_id uuid, body text);
CREATE TABLE app.named (tenant_id text NOT NULL, body text);
CREATE COLLATION app.insensitive (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE app.folded (tenant_id text COLLATE app.insensitive NOT NULL, body text);
CREATE TABLE app.fixed (tenant_id character(40) NOT NULL);
CREATE TABLE app.line (id uuid PRIMARY KEY, doc_id uuid REFERENCES app.doc, user_id uuid);
CREATE FUNCTION auth.jwt() RETURNS jsonb LANGUAGE sql STABLE AS $$
	select coalesce(nullif(current_setting('request.jwt.claim', true), ''),
		nullif(current_setting('request.jwt.claims', true), ''))::jsonb $$;
CREATE FUNCTION auth.uid() RETURNS uuid LANGUAGE sql STABLE AS $$
	select coalesce(nullif(current_setting('request.jwt.claim.sub', true), ''),
		(nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'))::uuid $$;
CREATE FUNCTION app.tenant() RETURNS uuid LANGUAGE sql STABLE AS $$
	SELECT nullif(current_setting('app.current_tenant', true), '')::uuid $$;
CREATE FUNCTION app.tenant_atomic() RETURNS uuid LANGUAGE sql STABLE BEGIN ATOMIC
	SELECT nullif(current_setting('app.current_tenant', true), '')::uuid; END;
CREATE FUNCTION app.tenant_return() RETURNS uuid LANGUAGE sql STABLE
	RETURN nullif(current_setting('app.current_tenant', true), '')::uuid;
CREATE FUNCTION app.tenant_volatile() RETURNS uuid LANGUAGE sql AS $$
	SELECT nullif(current_setting('app.current_tenant', true), '')::uuid; $$;
CREATE FUNCTION app.tenant_frozen() RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
	SELECT nullif(current_setting('app.current_tenant', true), '')::uuid $$;
CREATE FUNCTION app.tenant_raises() RETURNS uuid LANGUAGE sql STABLE AS $$
	SELECT current_setting('app.current_tenant')::uuid $$;
CREATE FUNCTION app.tenant_pl() RETURNS uuid LANGUAGE plpgsql STABLE AS $$
	DECLARE v text := current_setting('app.current_tenant', true); -- may be ''
	BEGIN
		IF v IS NULL OR v = '' THEN RETURN NULL; END IF;
		RETURN v::uuid;
	END $$;
CREATE FUNCTION app.tenant_pl_caught() RETURNS uuid LANGUAGE plpgsql STABLE AS $$
	BEGIN RETURN current_setting('app.current_tenant')::uuid; EXCEPTION WHEN others THEN RETURN NULL; END $$;
CREATE FUNCTION app.tenant_pl_into() RETURNS uuid LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = app,
	pg_temp AS $$
	DECLARE t uuid; BEGIN SELECT m.tenant_id INTO t FROM membership m WHERE m.user_id = auth.uid() LIMIT 1; RETURN t;
		END $$;
CREATE FUNCTION app.tenant_or_first() RETURNS uuid LANGUAGE plpgsql STABLE AS $$
	DECLARE t uuid; BEGIN t := nullif(current_setting('app.current_tenant', true), '')::uuid;
	IF t IS NULL THEN SELECT id INTO t FROM app.tenants LIMIT 1; END IF; RETURN t; END $$;
CREATE FUNCTION app.my_tenants() RETURNS SETOF uuid LANGUAGE sql STABLE SECURITY DEFINER AS $$ SELECT tenant_id
	FROM app.membership WHERE user_id = auth.uid() $$;
CREATE FUNCTION app.all_tenants() RETURNS SETOF uuid LANGUAGE sql STABLE SECURITY DEFINER AS $$ SELECT tenant_id
	FROM app.membership $$;
CREATE FUNCTION app.is_member(t uuid) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER AS $$
	SELECT EXISTS (SELECT 1 FROM app.membership m WHERE m.tenant_id = t AND m.user_id = auth.uid()) $$;
CREATE FUNCTION app.is_member_bare(t uuid) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER AS $$
	SELECT EXISTS (SELECT FROM app.membership m WHERE m.tenant_id = t AND m.user_id = auth.uid()) $$;
CREATE FUNCTION app.is_member_captured(tenant_id uuid) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER AS $$
	SELECT EXISTS (SELECT 1 FROM app.membership m WHERE m.tenant_id = tenant_id AND m.user_id = auth.uid()) $$;
CREATE FUNCTION app.has_role(t uuid, wanted text) RETURNS boolean LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$
	BEGIN
		IF EXISTS (SELECT 1 FROM app.membership m WHERE m.tenant_id = t AND m.user_id = auth.uid() AND m.role = wanted)
			THEN RETURN true; END IF;
		RETURN false;
	END $$;
CREATE FUNCTION app.is_admin() RETURNS boolean LANGUAGE sql STABLE AS $$
	SELECT coalesce(current_setting('app.is_admin', true), 'off') = 'on' $$;
CREATE FUNCTION app.same_tenant(t uuid) RETURNS boolean LANGUAGE sql STABLE AS $$ SELECT $1 = app.tenant() $$;
CREATE FUNCTION app.anything(t uuid) RETURNS boolean LANGUAGE sql STABLE AS $$ SELECT $1 IS NOT NULL $$;
CREATE FUNCTION app.flagged(t uuid) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
	DECLARE ok boolean := false; BEGIN IF t IS NOT NULL THEN ok := true; END IF; RETURN ok; END $$;
CREATE FUNCTION app.handled(t uuid) RETURNS uuid LANGUAGE plpgsql STABLE AS $$
	DECLARE v uuid := t; BEGIN BEGIN PERFORM 1/0; v := app.tenant(); EXCEPTION WHEN others THEN NULL; END; RETURN v;
		END $$;
CREATE FUNCTION app.shadowed(t uuid) RETURNS uuid LANGUAGE plpgsql STABLE AS $$
	DECLARE v uuid := t; BEGIN DECLARE v uuid := app.tenant(); BEGIN NULL; END; RETURN v; END $$;
CREATE FUNCTION app.cut_off(t uuid) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
	DECLARE v varchar(3); BEGIN v := left(t::text, 3); v := current_setting('app.current_tenant', true);
		RETURN left(t::text, 3) = v; END $$;
CREATE FUNCTION app.cut_tenant() RETURNS text LANGUAGE plpgsql STABLE AS $$
	DECLARE v varchar(3); BEGIN v := current_setting('app.current_tenant', true); RETURN v; END $$;
CREATE FUNCTION app.averaged(t uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
	SELECT EXISTS (SELECT avg(1) FROM app.membership m WHERE m.tenant_id = t AND m.user_id = auth.uid()) $$;
CREATE FUNCTION app.grouped_by_nothing(t uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
	SELECT EXISTS (SELECT 1 FROM app.membership m WHERE m.tenant_id = t AND m.user_id = auth.uid() GROUP BY ()) $$;
CREATE FUNCTION app.numbers(t uuid) RETURNS boolean LANGUAGE sql STABLE AS $$ SELECT t = app.tenant() OR 1 = 1.0 $$;
CREATE FUNCTION app.over(t uuid, x int) RETURNS boolean LANGUAGE sql STABLE AS $$ SELECT t = app.tenant() $$;
CREATE FUNCTION app.over(t uuid, x text) RETURNS boolean LANGUAGE sql STABLE AS $$ SELECT true $$;
CREATE FUNCTION app.calls_over(t uuid) RETURNS boolean LANGUAGE sql STABLE AS $$ SELECT app.over(t, 'x'::text) $$;
CREATE FUNCTION app.sets_itself(t uuid) RETURNS boolean LANGUAGE plpgsql AS $$
	BEGIN PERFORM set_config('app.current_tenant', t::text, true); RETURN t = app.tenant(); END $$;
CREATE FUNCTION app.two_columns() RETURNS TABLE (mine uuid, theirs uuid) LANGUAGE sql STABLE AS $$
	SELECT m.tenant_id, t.id FROM app.membership m, app.tenants t WHERE m.user_id = auth.uid() $$;
CREATE FUNCTION app.second_column(t uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
	SELECT t IN (SELECT x.theirs FROM app.two_columns() x) $$;
CREATE FUNCTION app.outer_null(t uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
	SELECT EXISTS (SELECT 1 FROM app.users u LEFT JOIN (SELECT 1 AS one) x ON false
		WHERE (u.id = auth.uid() AND t = app.tenant()) OR x.one IS NULL) $$;
CREATE FUNCTION app.hidden(t uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
	WITH m AS (SELECT id AS tenant_id, auth.uid() AS user_id FROM app.tenants)
	SELECT EXISTS (SELECT 1 FROM m WHERE m.tenant_id = t AND m.user_id = auth.uid()) $$;
CREATE FUNCTION app.founder(t uuid) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
	BEGIN PERFORM count(*) FROM app.membership m WHERE m.tenant_id = t AND m.user_id = auth.uid(); RETURN FOUND; END $$;
CREATE FUNCTION app.my_array() RETURNS uuid[] LANGUAGE sql STABLE SECURITY DEFINER AS $$
	SELECT coalesce(array_agg(DISTINCT tenant_id ORDER BY tenant_id), '{}'::uuid[]) FROM app.membership
		WHERE user_id = (SELECT auth.uid()) $$;
CREATE FUNCTION app.my_query() RETURNS SETOF uuid LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$
	BEGIN
		IF auth.uid() IS NULL THEN RETURN; END IF;
		RETURN QUERY SELECT m.tenant_id FROM app.membership m LEFT JOIN app.users u ON u.id = m.user_id
			WHERE m.user_id = auth.uid() AND now() > now() - interval '1 day' ORDER BY u.email;
	END $$;
CREATE FUNCTION app.members(t uuid) RETURNS SETOF uuid LANGUAGE sql STABLE SECURITY DEFINER AS $$
	SELECT m.user_id FROM app.membership m WHERE m.tenant_id = t $$;
CREATE FUNCTION app.admins(tenant_id uuid) RETURNS TABLE (user_id uuid) LANGUAGE plpgsql SECURITY DEFINER AS $$
	BEGIN RETURN QUERY SELECT membership.user_id FROM app.membership WHERE membership.tenant_id = $1
		AND (role = 'admin' OR role = 'owner'); END $$;
CREATE FUNCTION app.members_of_all(t uuid) RETURNS SETOF uuid LANGUAGE sql STABLE SECURITY DEFINER AS $$
	SELECT m.user_id FROM app.membership m WHERE t IS NOT NULL $$;
CREATE FUNCTION app.members_and_more(t uuid) RETURNS SETOF uuid LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$
	BEGIN RETURN QUERY SELECT m.user_id FROM app.membership m WHERE m.tenant_id = t;
		RETURN QUERY SELECT u.id FROM app.users u; END $$;
CREATE FUNCTION app.first_member(t uuid) RETURNS SETOF uuid LANGUAGE sql STABLE SECURITY DEFINER AS $$
	SELECT max(m.user_id::text)::uuid FROM app.membership m WHERE m.tenant_id = t $$;
CREATE FUNCTION app.found_member(t uuid) RETURNS boolean LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$
	BEGIN PERFORM 1 FROM app.membership m WHERE m.tenant_id = t AND m.user_id = auth.uid(); RETURN FOUND; END $$;
CREATE FUNCTION app.member_or_else(t uuid) RETURNS boolean LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$
	DECLARE wanted app.membership.role%TYPE := 'admin'; seen boolean;
	BEGIN
		IF t IS NULL OR NOT EXISTS (SELECT 1 FROM app.membership m WHERE m.tenant_id = t AND m.user_id = auth.uid())
			THEN RETURN false; END IF;
		seen := wanted = 'admin';
		RETURN true;
	END $$;
CREATE FUNCTION app.member_or_raise(t uuid) RETURNS boolean LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$
	DECLARE member boolean;
	BEGIN
		SELECT EXISTS (SELECT 1 FROM app.membership m WHERE m.tenant_id = t AND m.user_id = auth.uid()) INTO member;
		IF NOT member THEN RETURN false; ELSE RETURN true; END IF;
	END $$;
CREATE FUNCTION app.member_with(t uuid) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER AS $$
	WITH me AS (SELECT auth.uid() AS id), mine AS (SELECT m.tenant_id FROM app.membership m JOIN me ON me.id = m.user_id)
	SELECT EXISTS (SELECT 1 FROM mine WHERE mine.tenant_id = t) $$;
CREATE FUNCTION app.member_within(t uuid) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER AS $$
	SELECT t IN (SELECT x.tenant_id FROM (SELECT * FROM app.membership WHERE user_id = auth.uid()) AS x
		UNION SELECT tenant_id FROM app.membership WHERE user_id = auth.uid()) $$;
CREATE FUNCTION app.member_case(t uuid) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER AS $$
	SELECT CASE WHEN auth.uid() IS NULL THEN false
		ELSE EXISTS (SELECT 1 FROM app.membership m WHERE m.tenant_id = t AND m.user_id = auth.uid()) END $$;
CREATE FUNCTION app.unless_other(t uuid) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
	BEGIN IF NOT (t = app.tenant()) THEN RETURN false; END IF; RETURN true; END $$;
CREATE FUNCTION app.swallowed(t uuid) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
	BEGIN
		BEGIN
			IF NOT EXISTS (SELECT 1 FROM app.membership m WHERE m.tenant_id = t AND m.user_id = auth.uid()) THEN RAISE
				EXCEPTION 'no'; END IF;
		EXCEPTION WHEN others THEN NULL; END;
		RETURN true;
	END $$;
CREATE FUNCTION app.noticed(t uuid) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
	BEGIN
		IF NOT EXISTS (SELECT 1 FROM app.membership m WHERE m.tenant_id = t AND m.user_id = auth.uid())
			THEN RAISE NOTICE 'no'; END IF;
		RETURN true;
	END $$;
CREATE FUNCTION app.user_email() RETURNS text LANGUAGE sql STABLE AS $$ SELECT current_setting('app.user_email',
	true) $$;
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
		{"", `tenant_id = coalesce(nullif(current_setting('app.current_tenant', true), ''),
			'00000000-0000-0000-0000-000000000000')::uuid`, "isolates"},
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
		{"", `tenant_id = (SELECT (nullif(current_setting('request.jwt.claims', true),
			'')::jsonb->>'tenant_id')::uuid)`, "isolates wrapped"},
		{"", `tenant_id = (current_setting('request.jwt.claims',
			true)::jsonb #>> '{app_metadata,tenant_id}')::uuid`, "isolates raises"},
		{"", `tenant_id = nullif(current_setting('request.jwt.claim.tenant_id', true), '')::uuid`, "isolates"},
		{"", `tenant_id = (auth.jwt() -> 'app_metadata' ->> 'tenant_id')::uuid`, "isolates"},
		{"", `tenant_id = (SELECT (auth.jwt() -> 'app_metadata' ->> 'tenant_id')::uuid)`, "isolates wrapped"},
		{"", `tenant_id::text IN (SELECT jsonb_array_elements_text(auth.jwt() -> 'app_metadata' -> 'tenants'))`,
			"isolates column-wrapped sub-link"},
		{"", `(auth.jwt() -> 'app_metadata' -> 'tenants') ? tenant_id::text`, "isolates column-wrapped"},
		// Memberships.
		{"", `tenant_id IN (SELECT tenant_id FROM app.membership WHERE user_id = auth.uid())`, "isolates sub-link"},
		{"", `tenant_id IN (SELECT m.tenant_id FROM app.membership m WHERE m.user_id = (SELECT auth.uid())
			AND m.role = 'admin')`, "isolates sub-link"},
		{"", `tenant_id = ANY (ARRAY(SELECT tenant_id FROM app.membership WHERE user_id = auth.uid()))`, "isolates wrapped"},
		{"", `tenant_id = ANY ((SELECT array_agg(tenant_id) FROM app.membership
			WHERE user_id = auth.uid())::uuid[])`, "isolates wrapped"},
		{"", `EXISTS (SELECT 1 FROM app.membership m WHERE m.tenant_id = doc.tenant_id
			AND m.user_id = auth.uid())`, "isolates sub-link"},
		{"", `EXISTS (SELECT 1 FROM app.membership m WHERE m.tenant_id = doc.tenant_id
			AND m.user_id = current_setting('app.user_id')::uuid)`, "isolates raises sub-link"},
		{"", `EXISTS (SELECT 1 FROM app.membership m JOIN app.users u ON u.id = m.user_id
			WHERE m.tenant_id = doc.tenant_id AND u.email = auth.jwt() ->> 'email')`, "isolates sub-link"},
		{"", `auth.uid() IN (SELECT user_id FROM app.membership
			WHERE membership.tenant_id = doc.tenant_id)`, "isolates sub-link"},
		{"", `tenant_id IN (SELECT app.my_tenants())`, "isolates sub-link"},
		{"", `tenant_id IN (SELECT * FROM app.my_tenants())`, "isolates sub-link"},
		{"", `app.is_member(tenant_id)`, "isolates"},
		{"", `auth.uid() IN (SELECT app.members(tenant_id))`, "isolates sub-link"},
		{"", `(SELECT auth.uid()) IN (SELECT app.admins(doc.tenant_id))`, "isolates sub-link"},
		{"", `auth.uid() IN (SELECT app.members_of_all(tenant_id))`, "sub-link"},
		{"", `auth.uid() IN (SELECT app.members_and_more(tenant_id))`, "sub-link"},
		{"", `auth.uid() IN (SELECT app.first_member(tenant_id))`, "sub-link"},
		{"", `auth.uid() IN (SELECT app.members(other_id))`, "sub-link"},
		{"", `other_id IN (SELECT app.members(tenant_id))`, "sub-link"},
		{"", `app.is_member(tenant_id) = true`, "isolates"},
		{"", `true = app.is_member(tenant_id)`, "isolates"},
		{"", `app.is_member(tenant_id) = archived`, ""},
		{"", `app.is_member(tenant_id) = false`, ""},
		{"", `app.is_member_bare(tenant_id)`, "isolates"},
		{"", `EXISTS (SELECT FROM app.membership m WHERE m.tenant_id = doc.tenant_id AND m.user_id = auth.uid())`,
			"isolates sub-link"},
		{"", `app.has_role(tenant_id, 'admin')`, "isolates"},
		{"", `tenant_id = (SELECT id FROM app.tenants WHERE slug = auth.jwt() ->> 'tenant')`, "isolates wrapped"},
		// Membership in the shapes that helpers of starter kits have.
		{"", `tenant_id = ANY (app.my_array())`, "isolates"},
		{"", `tenant_id IN (SELECT app.my_query())`, "isolates sub-link"},
		{"", `app.found_member(tenant_id)`, "isolates"},
		{"", `app.member_or_else(tenant_id)`, "isolates"},
		{"", `app.member_or_raise(tenant_id)`, "isolates"},
		{"", `app.member_with(tenant_id)`, "isolates"},
		{"", `app.member_within(tenant_id)`, "isolates"},
		{"", `app.member_case(tenant_id)`, "isolates"},
		// Bound to the caller or to a parent, not to the row's own tenant.
		{"", `user_id = auth.uid()`, "own"},
		// People, through the memberships of the current tenant.
		{"users", `id = ANY (ARRAY(SELECT m.user_id FROM app.membership m
			WHERE m.tenant_id = (SELECT ` + setting + `)))`, "isolates wrapped"},
		{"users", `id IN (SELECT m.user_id FROM app.membership m WHERE m.tenant_id = ` + setting + `)`, "isolates sub-link"},
		{"users", `EXISTS (SELECT FROM app.membership m WHERE m.tenant_id = ` + setting + `
			AND m.user_id = users.id)`, "isolates sub-link"},
		{"users", `id IN (SELECT m.user_id FROM app.membership m)`, "sub-link"},
		{"users", `id IN (SELECT m.tenant_id FROM app.membership m WHERE m.tenant_id = ` + setting + `)`, "sub-link"},
		{"", `(SELECT auth.uid()) = owner_id`, "own wrapped"},
		{"", `project_id IN (SELECT id FROM app.projects WHERE tenant_id = ` + setting + `)`, "own sub-link"},
		{"line", `EXISTS (SELECT 1 FROM app.doc d WHERE d.id = line.doc_id
			AND d.tenant_id = ` + setting + `)`, "isolates sub-link"},
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
		{"", `tenant_id = ` + setting + `
			OR (auth.jwt() ->> 'role') = 'service_role'`, "bypass:request.jwt.claim,request.jwt.claims"},
		{"", `tenant_id = app.tenant_frozen()`, "immutable"},
		{"", `tenant_id = app.tenant_or_first()`, ""},
		{"", `tenant_id IN (SELECT app.all_tenants())`, "sub-link"},
		{"", `tenant_id IN (SELECT tenant_id FROM app.membership)`, "sub-link"},
		{"", `tenant_id IN (SELECT m.tenant_id FROM app.membership m, app.users u WHERE u.id = auth.uid())`, "sub-link"},
		{"", `tenant_id IN (SELECT o.tenant_id FROM app.membership m JOIN app.membership o ON o.role = m.role
			WHERE m.user_id = auth.uid())`, "sub-link"},
		{"", `app.is_member_captured(tenant_id)`, "captured"},
		{"", `app.anything(tenant_id)`, ""},
		{"", `EXISTS (SELECT 1 FROM app.membership m WHERE m.tenant_id = tenant_id
			AND m.user_id = auth.uid())`, "captured sub-link"},
		{"", `EXISTS (SELECT 1 FROM app.membership m WHERE m.user_id = auth.uid())`, "sub-link"},
		{"", `EXISTS (SELECT count(*) FROM app.membership m WHERE m.tenant_id = doc.tenant_id
			AND m.user_id = auth.uid())`, "sub-link"},
		{"", `EXISTS (SELECT 1 FROM app.tenants t LEFT JOIN app.membership m ON m.tenant_id = doc.tenant_id
			AND m.user_id = auth.uid())`, "sub-link"},
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
		{"", `CASE WHEN current_setting('app.current_tenant', true) IS NULL THEN true ELSE tenant_id = ` + setting + `
			END`, "fails-open"},
		// Open, where the eye slips over it: what is never true, or never NULL, only seems so.
		{"", `app.flagged(tenant_id)`, ""},
		{"", `tenant_id = ` + setting + ` OR 1.0 = 1.00`, ""},
		{"", `tenant_id = ` + setting + ` OR coalesce(false, true)`, ""},
		{"", `tenant_id = ` + setting + ` OR coalesce(NULL, true)`, ""},
		{"", `tenant_id = ` + setting + ` OR NOT ((tenant_id = tenant_id) IS TRUE)`, "negated"},
		{"", `tenant_id = ` + setting + ` OR tenant_id::text::varchar(3)::text <> tenant_id::text`, "negated"},
		{"", `EXISTS (SELECT 1 FROM (SELECT id AS tenant_id, auth.uid() AS user_id FROM app.tenants) x
			WHERE x.tenant_id = doc.tenant_id AND x.user_id = auth.uid())`, "sub-link"},
		{"", `EXISTS (SELECT 1 FROM (SELECT id AS tenant_id, auth.uid() AS user_id FROM app.tenants UNION SELECT id, id
			FROM app.tenants) x
			WHERE x.tenant_id = doc.tenant_id AND x.user_id = auth.uid())`, "sub-link"},
		{"", `EXISTS (SELECT 1 FROM app.users u LEFT JOIN app.doc y ON y.id = u.id
			WHERE (u.id = auth.uid() AND doc.tenant_id = ` + setting + `) OR y.is_public IS NULL)`, "sub-link"},
		{"", `tenant_id IN (SELECT coalesce(m.tenant_id, p.tenant_id) FROM app.membership m, app.projects p
			WHERE m.user_id = auth.uid())`, "sub-link"},
		{"", `user_id = coalesce(current_setting('app.user_id', true), current_setting('app.impersonate', true))::uuid`, ""},
		{"", `EXISTS (SELECT 1 FROM app.membership m WHERE m.tenant_id = doc.tenant_id AND m.user_id = auth.uid()
			HAVING true)`, "sub-link"},
		{"", `EXISTS (SELECT 1 FROM app.membership m WHERE m.tenant_id = doc.tenant_id AND m.user_id = auth.uid()
			GROUP BY ())`, "sub-link"},
		// Helpers that are open in the same way.
		{"", `tenant_id = app.handled(tenant_id)`, ""},
		{"", `tenant_id = app.shadowed(tenant_id)`, ""},
		{"", `app.cut_off(tenant_id)`, ""},
		{"named", `tenant_id = app.cut_tenant()`, ""},
		{"", `app.averaged(tenant_id)`, ""},
		{"", `app.grouped_by_nothing(tenant_id)`, ""},
		{"", `app.numbers(tenant_id)`, ""},
		{"", `app.calls_over(tenant_id)`, ""},
		{"", `app.sets_itself(tenant_id)`, ""},
		{"", `app.second_column(tenant_id)`, ""},
		{"", `app.outer_null(tenant_id)`, ""},
		{"", `app.hidden(tenant_id)`, ""},
		{"", `app.founder(tenant_id)`, ""},
		{"", `app.unless_other(tenant_id)`, ""},
		{"", `app.swallowed(tenant_id)`, ""},
		{"", `app.noticed(tenant_id)`, ""},
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
		{"isolates", j.Isolates}, {"own", j.OwnRows},
		{"true", j.AlwaysTrue}, {"false", j.AlwaysFalse}, {"constant", j.Constant},
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
		CREATE FUNCTION moat.tenant() RETURNS uuid LANGUAGE plpgsql STABLE AS $$ BEGIN EXECUTE 'SELECT 1'; RETURN NULL;
			END $$;
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
