package cli

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestWhyNamesTheCause(t *testing.T) {
	t.Parallel()
	f := fixture(t, "V07")
	app := f.As(t, f.App)
	code, out, errs := command(t, "why", "SELECT * FROM app.doc", f.URL, "--app-url", app, "--format", "json")
	var a struct {
		Version int
		Outcome string
		Cause   struct{ Kind, Text string }
		Tables  []struct{ Name string }
	}
	if err := json.Unmarshal([]byte(out), &a); err != nil || code != exitOK {
		t.Fatalf("exit code %d, %v: %s%s", code, err, out, errs)
	}
	if a.Version != 1 || a.Outcome != "empty" || a.Cause.Kind != "no-tenant" || len(a.Tables) != 1 {
		t.Errorf("got %+v", a)
	}
	code, out, errs = command(t, "why", "SELECT * FROM app.doc WHERE true = $1", f.URL, "--app-url", app, "--arg",
		"true", "--set", "app.tenant=1")
	if code != exitOK || !strings.Contains(out, "Cause: wrong setting (") || !strings.Contains(out, "TABLE ") {
		t.Errorf("exit code %d: %s%s", code, out, errs)
	}
}

func TestWhyUsageErrorsExit2(t *testing.T) {
	t.Parallel()
	f := fixture(t, "V07")
	app := f.As(t, f.App)
	for want, args := range map[string][]string{
		"does not see every row":      {"why", "SELECT 1", app, "--app-url", app},
		"the statement has 1 param":   {"why", "SELECT $1::text", f.URL, "--app-url", app},
		"write it as name=value":      {"why", "SELECT 1", f.URL, "--app-url", app, "--set", "x"},
		"--claims is no JSON":         {"why", "SELECT 1", f.URL, "--app-url", app, "--claims", "x"},
		"no application connection n": {"why", "SELECT 1", f.URL},
	} {
		if code, out, errs := command(t, args...); code != exitError || out != "" || !strings.Contains(errs, want) {
			t.Errorf("%v: exit code %d: %s%s", args, code, out, errs)
		}
	}
}
