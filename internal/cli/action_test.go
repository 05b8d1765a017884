package cli

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/moat-db/moat/internal/postgres/pgtest"
)

const leakyMigration = `create table tenants (id uuid primary key);
create table leads (tenant_id uuid not null references tenants, id uuid, primary key (tenant_id, id));
`

const mendedMigration = `
create policy tenant_isolation on leads as restrictive
	using (tenant_id = (select nullif(current_setting('app.current_tenant', true), '')::uuid));
create policy tenant_isolation on tenants as restrictive
	using (id = (select nullif(current_setting('app.current_tenant', true), '')::uuid));
create policy tenant_access on leads using (true);
create policy tenant_access on tenants using (true);
alter table leads enable row level security;
alter table leads force row level security;
alter table tenants enable row level security;
alter table tenants force row level security;
`

// migrationFolder is a folder with one migration.
func migrationFolder(t *testing.T, sql string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "20261101000000_leads.sql"), []byte(sql), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// action runs the script of action.yml as a workflow does, and returns its output and exit
// status.
func action(t *testing.T, env ...string) (out string, status int) {
	t.Helper()
	cmd := exec.Command("../../scripts/action")
	cmd.Env = append(os.Environ(), env...)
	text, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		status = exit.ExitCode()
	case err != nil:
		t.Fatal(err)
	}
	return string(text), status
}

func TestAction(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestAuditMigrations
	summary, sarif := filepath.Join(t.TempDir(), "summary"), filepath.Join(t.TempDir(), "moat.sarif")
	leaky := migrationFolder(t, leakyMigration)
	out, status := action(t, "MIGRATIONS="+leaky, "GITHUB_STEP_SUMMARY="+summary, "SARIF="+sarif)
	if status != exitFound || !strings.Contains(out, "::error file=") || !strings.Contains(out, "leads") {
		t.Errorf("exit status %d, want %d:\n%s", status, exitFound, out)
	}
	if text, err := os.ReadFile(summary); err != nil || !strings.Contains(string(text), "rls-disabled") {
		t.Errorf("summary: %v\n%s", err, text)
	}
	var log struct{ Runs []struct{ Results []any } }
	text, err := os.ReadFile(sarif)
	if err = errors.Join(err, json.Unmarshal(text, &log)); err != nil || len(log.Runs) != 1 ||
		len(log.Runs[0].Results) == 0 {
		t.Errorf("SARIF: %v\n%s", err, text)
	}
	mended := migrationFolder(t, leakyMigration+mendedMigration)
	if out, status := action(t, "MIGRATIONS="+mended, "FAIL_ON=high", "GITHUB_STEP_SUMMARY="); status != exitOK {
		t.Errorf("nothing high to find: exit status %d\n%s", status, out)
	}
	broken := migrationFolder(t, "create table")
	if out, status := action(t, "MIGRATIONS="+broken, "GITHUB_STEP_SUMMARY="); status != exitError {
		t.Errorf("a migration that does not run: exit status %d\n%s", status, out)
	}
}

// Each input reaches the script, and the script reads nothing else.
func TestActionPassesItsInputs(t *testing.T) {
	t.Parallel()
	var declared struct {
		Inputs map[string]struct{ Description string }
		Runs   struct {
			Steps []struct {
				Run string
				Env map[string]string
			}
		}
	}
	text, err := os.ReadFile("../../action.yml")
	if err = errors.Join(err, yaml.Unmarshal(text, &declared)); err != nil {
		t.Fatal(err)
	}
	script, err := os.ReadFile("../../scripts/action")
	if err != nil {
		t.Fatal(err)
	}
	step := declared.Runs.Steps[len(declared.Runs.Steps)-1]
	if step.Run != "${{ github.action_path }}/scripts/action" || len(step.Env) != len(declared.Inputs) {
		t.Errorf("%q with %d of %d inputs", step.Run, len(step.Env), len(declared.Inputs))
	}
	input := regexp.MustCompile(`^\$\{\{ inputs\.([a-z-]+) \}\}$`)
	for name, value := range step.Env {
		found := input.FindStringSubmatch(value)
		if found == nil || declared.Inputs[found[1]].Description == "" {
			t.Errorf("%s is %q, which is no input", name, value)
		}
		if name != "MOAT_DATABASE_URL" && !strings.Contains(string(script), "${"+name+":-") { // that one is moat's own
			t.Errorf("the script does not read %s", name)
		}
	}
}

func TestPreCommitHook(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestAuditMigrations
	var hooks []struct {
		ID, Entry string
		Args      []string
		Files     string
	}
	text, err := os.ReadFile("../../.pre-commit-hooks.yaml")
	if err = errors.Join(err, yaml.Unmarshal(text, &hooks)); err != nil || len(hooks) != 1 {
		t.Fatalf("%d hooks: %v", len(hooks), err)
	}
	hook := hooks[0]
	args := append(strings.Fields(hook.Entry)[1:], hook.Args...)
	files := regexp.MustCompile(hook.Files)
	if hook.Args[len(hook.Args)-1] != "db/migrations" || !files.MatchString("db/migrations/1.sql") {
		t.Errorf("arguments %q for files %q", hook.Args, hook.Files)
	}
	args[len(args)-1] = migrationFolder(t, leakyMigration)
	if code, out, errs := run(t, args...); code != exitFound || !strings.Contains(out, "rls-disabled") {
		t.Errorf("exit status %d\n%s%s", code, out, errs)
	}
}
