package prove_test

import (
	"testing"

	"github.com/moat-db/moat/prove"
)

func show(t *testing.T, r *prove.Report, want ...prove.Verdict) {
	t.Helper()
	for _, p := range r.Probes {
		for _, v := range want {
			if p.Verdict == v {
				t.Logf("%s %s: %s\n%s", p.Verdict, p.ID, p.Reason, p.Script)
			}
		}
	}
}

// Deferred keys that carry the tenant are refused at COMMIT, and so count as refused.
func TestDeferredKeysAreIsolated(t *testing.T) {
	t.Parallel()
	r := newFixture(t, rows, `ALTER TABLE app.events DROP CONSTRAINT events_tenant_id_lead_id_fkey;
		ALTER TABLE app.events ADD FOREIGN KEY (tenant_id, lead_id) REFERENCES app.leads (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
		ALTER TABLE app.leads DROP CONSTRAINT leads_tenant_id_email_key;
		ALTER TABLE app.leads ADD UNIQUE (tenant_id, email) DEFERRABLE INITIALLY DEFERRED`).prove(t, prove.Options{})
	tried := false
	for _, p := range r.Probes {
		tried = tried || p.ID == "foreign key:app.events"
	}
	if r.Verdict != prove.VerdictIsolated || !tried {
		show(t, r, prove.VerdictLeak, prove.VerdictUndecided)
		t.Errorf("verdict %s, foreign key tried: %v", r.Verdict, tried)
	}
}

func TestProtectedSchemaIsIsolated(t *testing.T) {
	t.Parallel()
	for name, statements := range map[string][]string{"with rows": {rows}, "empty": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newFixture(t, statements...).prove(t, prove.Options{})
			t.Logf("%d probes, %d ms, %q", len(r.Probes), r.Context.DurationMS, r.NotTried)
			if r.Verdict != prove.VerdictIsolated {
				show(t, r, prove.VerdictLeak, prove.VerdictUndecided)
				t.Errorf("verdict = %s: %d leaks, %d undecided", r.Verdict, r.Count(prove.VerdictLeak), r.Count(prove.VerdictUndecided))
			}
		})
	}
}
