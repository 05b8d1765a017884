package audit_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/tenancy"
)

const spellingBase = `
CREATE SCHEMA app;
CREATE TABLE app.tenants (id uuid PRIMARY KEY);
CREATE TABLE app.members (tenant_id uuid NOT NULL, user_id int NOT NULL, PRIMARY KEY (tenant_id, user_id));
ALTER TABLE app.members ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON app.members FOR SELECT USING (user_id = nullif(current_setting('app.user_id', true), '')::int);
CREATE FUNCTION app.tenant() RETURNS uuid LANGUAGE sql STABLE AS
  $$ SELECT nullif(current_setting('app.current_tenant', true), '')::uuid $$;
CREATE FUNCTION app.tenant_pl() RETURNS uuid LANGUAGE plpgsql STABLE AS
  $$ BEGIN RETURN nullif(current_setting('app.current_tenant', true), '')::uuid; END $$;
CREATE FUNCTION app.tenants_of_user() RETURNS uuid[] LANGUAGE sql STABLE SECURITY DEFINER
  SET search_path = pg_catalog, pg_temp AS
  $$ SELECT array_agg(m.tenant_id) FROM app.members m
     WHERE m.user_id = nullif(current_setting('app.user_id', true), '')::int $$;
CREATE SCHEMA auth;
CREATE FUNCTION auth.jwt() RETURNS jsonb LANGUAGE sql STABLE AS
  $$ SELECT coalesce(nullif(current_setting('request.jwt.claim', true), ''),
       nullif(current_setting('request.jwt.claims', true), ''))::jsonb $$;
`

const spellingTable = `
CREATE TABLE app.%[1]s (id uuid PRIMARY KEY, tenant_id uuid NOT NULL REFERENCES app.tenants, body text,
  is_public boolean, kind text, user_id int);
CREATE INDEX ON app.%[1]s (tenant_id);
ALTER TABLE app.%[1]s ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON app.%[1]s USING (%[2]s);
GRANT SELECT, INSERT, UPDATE, DELETE ON app.%[1]s TO %[3]s;
`

// me is the person who is calling.
const me = "nullif(current_setting('app.user_id', true), '')::int"

// isolatingSpellings all compare the row's tenant with the caller's.
var isolatingSpellings = []string{
	"tenant_id = current_setting('app.current_tenant')::uuid",
	"tenant_id = current_setting('app.current_tenant', true)::uuid",
	"tenant_id = nullif(current_setting('app.current_tenant', true), '')::uuid",
	"tenant_id = (SELECT nullif(current_setting('app.current_tenant', true), '')::uuid)",
	"nullif(current_setting('app.current_tenant', true), '')::uuid = tenant_id",
	"tenant_id::text = current_setting('app.current_tenant', true)",
	"tenant_id = app.tenant()",
	"tenant_id = (SELECT app.tenant())",
	"tenant_id = app.tenant_pl()",
	"tenant_id = app.tenant() AND (is_public OR kind = 'mine')",
	"tenant_id = ANY (ARRAY(SELECT m.tenant_id FROM app.members m WHERE m.user_id = " + me + "))",
	"tenant_id = ANY (app.tenants_of_user())",
	"tenant_id IN (SELECT m.tenant_id FROM app.members m WHERE m.user_id = " + me + ")",
	"EXISTS (SELECT 1 FROM app.members m WHERE m.tenant_id = TABLE.tenant_id AND m.user_id = " + me + ")",
	"tenant_id = (current_setting('request.jwt.claims', true)::json ->> 'tenant_id')::uuid",
	"tenant_id = (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'tenant_id')::uuid",
	"tenant_id = ((SELECT auth.jwt()) -> 'app_metadata' ->> 'tenant_id')::uuid",
	"tenant_id = nullif(current_setting('request.jwt.claim.tenant_id', true), '')::uuid",
}

// openSpellings all let another tenant's rows through.
var openSpellings = []string{
	"true",
	"1 = 1",
	"tenant_id = tenant_id",
	"tenant_id IS NOT NULL",
	"is_public",
	"id = app.tenant()",
	"tenant_id = app.tenant() OR is_public",
	"tenant_id = app.tenant() OR app.tenant() IS NULL",
	"tenant_id = coalesce(app.tenant(), tenant_id)",
	"tenant_id = app.tenant() OR current_setting('app.role', true) = 'admin'",
	"tenant_id <> app.tenant()",
	"tenant_id::text LIKE current_setting('app.current_tenant', true) || '%'",
	"tenant_id = app.tenant() AND is_public OR kind = 'template'",
	"EXISTS (SELECT 1 FROM app.members m WHERE m.tenant_id = tenant_id AND m.user_id = " + me + ")",
	"EXISTS (SELECT 1 FROM app.members m WHERE m.user_id = nullif(current_setting('app.user_id', true), '')::int)",
	"current_user <> 'nobody'",
	"CASE WHEN app.tenant() IS NULL THEN true ELSE tenant_id = app.tenant() END",
}

func TestSpellings(t *testing.T) {
	t.Parallel()
	pgtest.EachMajor(t, func(t *testing.T, c *pgtest.Cluster) {
		db := c.New(t)
		app := db.AppRole(t)
		db.Exec(t, spellingBase+"GRANT USAGE ON SCHEMA app, auth TO "+app+"; GRANT SELECT ON app.members TO "+app)
		add := func(prefix string, list []string) {
			for i, expr := range list {
				name := fmt.Sprintf("%s%d", prefix, i)
				expr = strings.ReplaceAll(expr, "TABLE.", name+".")
				db.Exec(t, fmt.Sprintf(spellingTable, name, expr, app))
			}
		}
		add("right", isolatingSpellings)
		add("wrong", openSpellings)
		r := runAs(t, db.Conn(t, db.URL), tenancy.Options{Column: "tenant_id", Setting: "app.current_tenant",
			Tenants: catalog.QName{Schema: "app", Name: "tenants"}, Roles: []string{app}}, "")
		found := map[string]bool{}
		for _, x := range alarming(r) {
			table := strings.Split(x.Object, ".")[1]
			found[table] = true
			if strings.HasPrefix(table, "right") {
				var i int
				fmt.Sscanf(table, "right%d", &i)
				t.Errorf("false alarm: %s about %s", x.Rule, isolatingSpellings[i])
			}
		}
		for i, expr := range openSpellings {
			if !found[fmt.Sprintf("wrong%d", i)] {
				t.Errorf("not seen: %s", expr)
			}
		}
	})
}
