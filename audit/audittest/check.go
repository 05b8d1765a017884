package audittest

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/audit"
	"github.com/moat-db/moat/tenancy"
)

// Options say what is known about the tenants, and what was accepted; the zero value
// leaves everything to be inferred.
type Options struct {
	Model tenancy.Options
	Audit audit.Options
	// Least is the severity from which a finding fails the test; "" means medium, as for
	// moat audit.
	Least audit.Severity
}

// Check audits the database at url and fails the test for each finding, with the SQL that
// closes it, and for what could not be looked at. It is for a program's own tests: call it
// after the migrations have run, as their owner. It reads the catalog only.
func Check(t testing.TB, url string, o Options) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal("audit: connecting to the database failed") // the error may repeat a password
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	view, err := tenancy.Read(t.Context(), conn, o.Model)
	if err != nil {
		t.Fatalf("audit: %v", err)
	}
	least := o.Least
	if least == "" {
		least = audit.Medium
	}
	r := audit.Run(view, o.Audit)
	for _, f := range r.Findings {
		if f.Severity.AtLeast(least) {
			t.Errorf("%s: %s on %s: %s %s\n%s%s", f.Severity, f.Rule, f.Object, f.Message, f.Why,
				strings.Join(f.Fix, "\n"), f.Decision)
		}
	}
	for _, text := range r.Unseen {
		t.Errorf("audit: not looked at: %s", text)
	}
}
