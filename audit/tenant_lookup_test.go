package audit_test

import (
	"testing"

	"github.com/moat-db/moat/audit"
	"github.com/moat-db/moat/audit/audittest"
	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// A login has to ask whose an API key is before a tenant is known; what tells more than
// that, or of more than one row, is a hole as before.
func TestTenantLookup(t *testing.T) {
	t.Parallel()
	f := audittest.Controls(t)[0].Setup(t, pgtest.Shared(t))
	f.Exec(t, f.Expand(`
		create table app.keys (tenant_id uuid not null, hash text not null unique, label text unique, note text);
		alter table app.keys owner to {{owner}}; grant select on app.keys to {{app}};
		create policy iso on app.keys as restrictive using (tenant_id = (select
			nullif(current_setting('app.current_tenant', true), '')::uuid));
		create policy access on app.keys to {{app}} using (true);
		alter table app.keys enable row level security; alter table app.keys force row level security`))
	for body, want := range map[string]audit.Severity{
		"select tenant_id from app.keys where hash = $1":                  audit.Low,
		"SELECT tenant_id FROM app.keys WHERE hash = h;":                  audit.Low,
		"select tenant_id from app.keys where note = $1":                  audit.Critical,
		"select tenant_id from app.keys where hash = $1 or true":          audit.Critical,
		"select tenant_id from app.keys where hash = label":               audit.Critical,
		"select tenant_id from app.keys where hash <> $1 limit 1":         audit.Critical,
		"select max(tenant_id::text)::uuid from app.keys where hash = $1": audit.Critical,
	} {
		f.Exec(t, `drop function if exists app.who(text); create function app.who(h text) returns uuid language sql
			stable security definer set search_path = pg_catalog, pg_temp as $b$ `+body+` $b$`)
		var found audit.Severity
		for _, x := range run(t, f).Findings {
			if x.Rule == "func-definer-bypass" {
				found = x.Severity
			}
		}
		if found != want {
			t.Errorf("%s: %v, want %v", body, found, want)
		}
	}
}
