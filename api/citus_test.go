package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/policy"
)

const distributed = `
CREATE SCHEMA app; CREATE SCHEMA extra; CREATE SCHEMA moat;
GRANT USAGE ON SCHEMA app, extra, moat TO :app;
CREATE TABLE app.tenants (id uuid PRIMARY KEY, name text NOT NULL);
CREATE TABLE app.countries (code text PRIMARY KEY);
CREATE TABLE app.leads (tenant_id uuid NOT NULL DEFAULT nullif(current_setting('app.current_tenant', true), '')::uuid
    REFERENCES app.tenants, id bigint NOT NULL, name text NOT NULL, PRIMARY KEY (tenant_id, id));
CREATE TABLE app.notes (tenant_id uuid NOT NULL DEFAULT nullif(current_setting('app.current_tenant', true), '')::uuid,
    id bigint NOT NULL, lead_id bigint NOT NULL, PRIMARY KEY (tenant_id, id));
INSERT INTO app.tenants VALUES (':a', 'A'), (':b', 'B');
INSERT INTO app.leads SELECT t.id, i, t.name || i FROM app.tenants t, generate_series(1, 3) i;
INSERT INTO app.notes SELECT tenant_id, id, id FROM app.leads;
ALTER TABLE app.tenants ENABLE ROW LEVEL SECURITY; ALTER TABLE app.tenants FORCE ROW LEVEL SECURITY;
ALTER TABLE app.leads ENABLE ROW LEVEL SECURITY; ALTER TABLE app.leads FORCE ROW LEVEL SECURITY;
ALTER TABLE app.notes ENABLE ROW LEVEL SECURITY; ALTER TABLE app.notes FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON app.tenants USING (id = nullif(current_setting('app.current_tenant', true), '')::uuid);
CREATE POLICY own ON app.leads USING (tenant_id = nullif(current_setting('app.current_tenant', true), '')::uuid);
CREATE POLICY own ON app.notes USING (tenant_id = nullif(current_setting('app.current_tenant', true), '')::uuid);
GRANT SELECT ON app.tenants, app.countries TO :app;
GRANT SELECT, INSERT, UPDATE, DELETE ON app.leads, app.notes TO :app;`

// The API on a real cluster: every tenant reads and writes its own rows, and embeds go to the
// shard of both tables.
func TestCitusReal(t *testing.T) {
	t.Parallel()
	db := pgtest.NewCitus(t)
	db.Exec(t, strings.NewReplacer(":app", db.AppRole(t), ":a", tenantA, ":b", tenantB).Replace(distributed))
	db.Exec(t, policy.SetTenant(policy.Facts{Tenant: moat.DefaultTenantSetting, Subject: moat.DefaultSubjectSetting,
		Role: moat.DefaultRoleSetting, Claims: moat.DefaultClaimsSetting}))
	for _, sql := range []string{"create_reference_table('app.tenants')", "create_reference_table('app.countries')",
		"create_distributed_table('app.leads', 'tenant_id')",
		"create_distributed_table('app.notes', 'tenant_id', colocate_with => 'app.leads')"} {
		db.Exec(t, "SELECT "+sql)
	}
	db.Exec(t, "ALTER TABLE app.notes ADD FOREIGN KEY (tenant_id, lead_id) REFERENCES app.leads (tenant_id, id)")
	s := serveOn(t, db, nil)
	var callers sync.WaitGroup
	for i := range 4 {
		callers.Go(func() { readAndWrite(t, s, []string{tenantA, tenantB}[i%2], []string{"A", "B"}[i%2], 100*(i+1)) })
	}
	callers.Wait()
}

func readAndWrite(t *testing.T, s *server, tenant, name string, id int) {
	for n := range 25 {
		for _, x := range []struct {
			call
			status int
			want   string
		}{
			{call{path: "leads?select=name&id=lte.3&order=id"}, 200,
				fmt.Sprintf(`[{"name":"%[1]s1"},{"name":"%[1]s2"},{"name":"%[1]s3"}]`, name)},
			{call{path: "leads?select=name,notes(id)&id=eq.2"}, 200, `[{"name":"` + name + `2","notes":[{"id":2}]}]`},
			{call{path: "tenants?select=name"}, 200, `[{"name":"` + name + `"}]`},
			{call{method: http.MethodPost, path: "leads", body: fmt.Sprintf(`{"id":%d,"name":"new"}`, id+n)}, 201, ""},
			{call{method: http.MethodPost, path: "leads", body: `{"id":1,"name":"taken"}`}, 409, ""},
			{call{method: http.MethodPatch, path: fmt.Sprintf("leads?id=eq.%d&select=name", id+n),
				header: []string{"Prefer: return=representation"}, body: `{"name":"newer"}`}, 200, `[{"name":"newer"}]`},
			{call{path: "leads?name=eq.newer&id=eq.nonsense"}, 400, ""},
			{call{method: http.MethodDelete, path: fmt.Sprintf("leads?id=eq.%d", id+n)}, 204, ""},
		} {
			x.tenant = tenant
			got := s.do(t, x.call)
			if got.Status != x.status || x.want != "" && got.Body != x.want {
				t.Errorf("%s %s as %s: %d %s", x.method, x.path, name, got.Status, got.Body)
			}
		}
	}
}
