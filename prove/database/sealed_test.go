package database_test

import (
	"strings"
	"testing"

	"github.com/moat-db/moat/prove"
	"github.com/moat-db/moat/prove/database"
	"github.com/moat-db/moat/prove/internal/shop"
	"github.com/moat-db/moat/seal"
)

// sealed is the fixture in sealed mode, with what signs for it.
func sealed(t *testing.T, statements ...string) (*fixture, *seal.Sealer) {
	t.Helper()
	f := newFixture(t, statements...)
	key := seal.NewKey()
	admin := f.Conn(t, f.URL)
	for _, err := range []error{
		seal.Install(t.Context(), admin, seal.InstallOptions{Owner: f.Role(t, "sealer", "NOLOGIN"),
			Applications: []string{f.App}}),
		seal.AddKey(t.Context(), admin, key, seal.KeyOptions{}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := seal.Switch(t.Context(), admin, seal.Sealed, nil); err != nil {
		t.Fatal(err)
	}
	s, err := seal.New(key.Signer(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return f, s
}

func TestSealedSchemaIsIsolated(t *testing.T) {
	t.Parallel()
	f, s := sealed(t, rows)
	r := f.prove(t, database.Options{Sealer: s})
	if r.Verdict != prove.VerdictIsolated || r.Context.Mode != "sealed" || r.Context.Forgeable {
		shop.Show(t, r, prove.VerdictLeak, prove.VerdictUndecided)
		t.Errorf("verdict = %s, context = %+v", r.Verdict, r.Context)
	}
	forged := 0
	for _, p := range r.Probes {
		if strings.HasPrefix(p.Attack, "forge ") && p.Object == "app.leads" {
			forged++
		}
	}
	if forged < 6 {
		t.Errorf("%d ways of forging were tried on app.leads", forged)
	}
}

// TestForgingShowsWhenAPolicyIsPlain: one table left on the plain setting is a leak
// of that table.
func TestForgingShowsWhenAPolicyIsPlain(t *testing.T) {
	t.Parallel()
	f, s := sealed(t, rows)
	f.SQL(t, `DROP POLICY tenant_isolation ON app.leads; CREATE POLICY tenant_isolation ON app.leads AS RESTRICTIVE
		USING (tenant_id = (SELECT nullif(current_setting('app.current_tenant', true), '')::uuid))`)
	r := f.prove(t, database.Options{Sealer: s})
	if p := r.Find("forge in an expression:app.leads"); p == nil || p.Verdict != prove.VerdictLeak {
		t.Errorf("forging is not reported; leaks: %v", ids(r.Leaks()))
	}
	if p := r.Find("forge in an expression:app.campaigns"); p == nil || p.Verdict != prove.VerdictIsolated {
		t.Error("a sealed table is called forgeable")
	}
}
