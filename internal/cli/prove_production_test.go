package cli

import (
	"context"
	"strings"
	"testing"
)

// A database that others are working on is refused until somebody says it may be
// attacked.
func TestProveRefusesProduction(t *testing.T) {
	t.Parallel()
	d, role := leadsDatabase(t)
	args := []string{"prove", d.URL, "--app-url", d.As(t, role)}
	if _, _, errs := run(t, args...); strings.Contains(errs, "production") {
		t.Errorf("a quiet database: %s", errs)
	}
	d.HangUp()
	for range 11 {
		conn := d.Conn(t, d.URL)
		if _, err := conn.Exec(context.Background(), "set application_name = 'web'"); err != nil {
			t.Fatal(err)
		}
	}
	if code, out, errs := run(t, args...); code != exitError || out != "" ||
		!strings.Contains(errs, "looks like production") || !strings.Contains(errs, "11 recent connections") {
		t.Errorf("a busy database: exit %d, %s%s", code, out, errs)
	}
	if _, out, errs := run(t, append(args, "--yes-production")...); strings.Contains(errs, "production") ||
		!strings.Contains(out, "probes") {
		t.Errorf("--yes-production: %s%s", out, errs)
	}
}
