package seal_test

import (
	"strings"
	"testing"

	"github.com/moat-db/moat/audit"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/seal"
	"github.com/moat-db/moat/tenancy"
)

// The catalog takes sealed policies for isolating, and knows the plain setting in addition to
// them; an audit of a sealed database reports no policy and no function.
func TestCatalogKnowsTheSealedTenant(t *testing.T) {
	t.Parallel()
	f := newFixture(t, pgtest.Shared(t))
	f.Exec(t, `do $$ declare p record; begin for p in select polrelid::regclass as t, pg_get_expr(polqual, polrelid) as e
		from pg_policy where polname = 'tenant_isolation' loop
		execute format('alter policy tenant_isolation on %s using (%s) with check (%2$s)', p.t, replace(p.e,
			'app.current_tenant', 'my.org')); end loop; end $$;
		alter table app.leads alter tenant_id drop default; alter table app.notes alter tenant_id drop default;
			alter table app.events alter tenant_id drop default`)
	o := f.install()
	o.Setting = "my.org"
	must(t, seal.Install(t.Context(), f.admin, o))
	_, err := seal.Switch(t.Context(), f.admin, seal.Sealed, &seal.SwitchOptions{Setting: "my.org"})
	must(t, err)
	v, err := tenancy.Read(t.Context(), f.admin, tenancy.Options{Roles: []string{f.Role}})
	must(t, err)
	s, m := v.Snapshot, v.Model
	if m.Setting != "my.org" || m.Column != "tenant_id" {
		t.Errorf("inferred setting %q, column %q", m.Setting, m.Column)
	}
	for i := range s.Relations {
		for _, p := range s.Relations[i].Policies {
			if p.Name == "tenant_isolation" && !v.Judge(p.Using, &s.Relations[i]).Isolates {
				t.Errorf("%s does not count as isolated", s.Relations[i].QName())
			}
		}
	}
	for _, finding := range audit.Run(v, audit.Options{Elsewhere: true}).Findings {
		if strings.HasPrefix(finding.Rule, "policy-") || strings.HasPrefix(finding.Rule, "func-") ||
			finding.Severity.AtLeast(audit.High) {
			t.Errorf("%s %s on %s: %s", finding.Severity, finding.Rule, finding.Object, finding.Message)
		}
	}
}
