package cli

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// What moat says of its own demo: nothing to close, and nothing that leaks, neither
// from the database nor from the server over it.
func TestDemoHoldsAgainstItsOwnTools(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: protect's TestShapesTogether
	for _, mode := range [][]string{nil, {"--sealed"}} {
		t.Run(strings.Join(append([]string{"demo"}, mode...), " "), func(t *testing.T) {
			t.Parallel()
			out, _ := startDemo(t, append([]string{"--format", "json"}, mode...)...)
			out.Find(t, "\n")
			var ready struct {
				API     string `json:"api_url"`
				App     string `json:"application_database_url"`
				Config  string `json:"config_file"`
				Clients []struct{ Token string }
				Agency  struct{ Token string }
			}
			if err := json.Unmarshal([]byte(out.String()), &ready); err != nil {
				t.Fatal(err)
			}
			admin := strings.Replace(ready.App, "moat_app@", "postgres@", 1)
			auditIsClean(t, admin, ready.Config)
			requests := pgtest.Rounds(t, "MOAT_TEST_REQUESTS", 300, 100)
			code, text, errs := run(t, "prove", "--http", ready.API, "--token", ready.Clients[0].Token, "--token",
				ready.Clients[1].Token,
				"--requests", strconv.Itoa(requests), "--disposable")
			if code != exitOK {
				t.Errorf("prove --http: exit %d\n%s%s", code, text, errs)
			}
			if code, text, errs := run(t, "prove", admin, "--config", ready.Config, "--app-url",
				ready.App); code != exitOK || !strings.Contains(text, " 0 leaks, 0 undecided") {
				t.Errorf("prove: exit %d\n%s%s", code, text, errs)
			}
		})
	}
}

// auditIsClean wants no finding that counts but those of the tests' PostgreSQL release.
func auditIsClean(t *testing.T, url, config string) {
	t.Helper()
	_, text, errs := run(t, "audit", url, "--config", config, "--format", "json")
	var report struct {
		Findings []struct{ Rule, Severity, Object string }
	}
	if err := json.Unmarshal([]byte(text), &report); err != nil || len(report.Findings) == 0 {
		t.Fatalf("audit: %v\n%s%s", err, text, errs)
	}
	for _, f := range report.Findings {
		if f.Severity != "low" && f.Severity != "info" && f.Object != "server" {
			t.Errorf("audit: %s %s %s", f.Severity, f.Rule, f.Object)
		}
	}
}
