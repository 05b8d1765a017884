package database_test

import (
	"strings"
	"testing"

	"github.com/moat-db/moat/prove"
	"github.com/moat-db/moat/prove/database"
	"github.com/moat-db/moat/prove/internal/shop"
)

// Deferred keys that carry the tenant are refused at COMMIT, and so count as refused.
func TestDeferredKeysAreIsolated(t *testing.T) {
	t.Parallel()
	r := newFixture(t, rows, `ALTER TABLE app.events DROP CONSTRAINT events_tenant_id_lead_id_fkey;
		ALTER TABLE app.events ADD FOREIGN KEY (tenant_id, lead_id) REFERENCES app.leads (tenant_id, id)
			DEFERRABLE INITIALLY DEFERRED;
		ALTER TABLE app.leads DROP CONSTRAINT leads_tenant_id_email_key;
		ALTER TABLE app.leads ADD UNIQUE (tenant_id, email) DEFERRABLE INITIALLY DEFERRED`).prove(t, database.Options{})
	tried := false
	for _, p := range r.Probes {
		tried = tried || p.ID == "foreign key:app.events"
	}
	if r.Verdict != prove.VerdictIsolated || !tried {
		shop.Show(t, r, prove.VerdictLeak, prove.VerdictUndecided)
		t.Errorf("verdict %s, foreign key tried: %v", r.Verdict, tried)
	}
}

func TestProtectedSchemaIsIsolated(t *testing.T) {
	t.Parallel()
	for name, statements := range map[string][]string{"with rows": {rows}, "empty": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newFixture(t, statements...).prove(t, database.Options{})
			t.Logf("%d probes, %d ms, %q", len(r.Probes), r.Context.DurationMS, r.NotTried)
			if r.Verdict != prove.VerdictIsolated {
				shop.Show(t, r, prove.VerdictLeak, prove.VerdictUndecided)
				t.Errorf("verdict = %s: %d leaks, %d undecided", r.Verdict, r.Count(prove.VerdictLeak),
					r.Count(prove.VerdictUndecided))
			}
		})
	}
}

// A table whose only policies are restrictive lets nobody at a row: that A sees nothing of
// its own there is isolation, not a sign of a wrong setting.
func TestTableClosedToEveryTenantIsIsolated(t *testing.T) {
	t.Parallel()
	r := newFixture(t, rows, "DROP POLICY tenant_access ON app.events").prove(t, database.Options{})
	p := r.Find("read:app.events")
	if p == nil || p.Verdict != prove.VerdictIsolated || !strings.Contains(p.Reason, "closed to every tenant") {
		t.Errorf("%+v", p)
	}
}
