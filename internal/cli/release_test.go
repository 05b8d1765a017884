package cli

import (
	"strings"
	"testing"

	"github.com/moat-db/moat/audit"
	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// What takes requests, and what seals, says first that PostgreSQL itself has holes.
func TestReleaseWarningIsSaid(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: audit's TestReleaseWarning
	d, role := leadsDatabase(t)
	warning := audit.ReleaseWarning(d.Cluster().Version)
	secret := write(t, "secret", strings.Repeat("k", 32))
	config := write(t, "moat.yaml", strings.ReplaceAll(goodIssuer, "%s", secret))
	for _, args := range [][]string{
		{"serve", "--check", "--app-url", d.As(t, role)},
		{"seal", "on", "--database-url", d.URL},
	} {
		_, _, errs := run(t, append(args, "--config", config)...)
		if n := strings.Count(errs, "has known flaws in row-level security"); n != min(len(warning), 1) {
			t.Errorf("moat %s says it %d times, want %q: %s", args[0], n, warning, errs)
		}
		if !strings.Contains(errs, warning) {
			t.Errorf("moat %s lacks %q: %s", args[0], warning, errs)
		}
	}
}
