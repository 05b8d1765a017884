package cli

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moat-db/moat/internal/postgres/pgtest"
)

const (
	tenantA = "aaaaaaaa-0000-4000-8000-000000000001"
	tenantB = "bbbbbbbb-0000-4000-8000-000000000002"
)

// tenantCase is a small product, and an operator who may do nothing yet.
func tenantCase(t *testing.T) (d *pgtest.Database, role string) {
	t.Helper()
	d = pgtest.New(t)
	role = d.Role(t, "operator", "LOGIN BYPASSRLS")
	d.Exec(t, `CREATE TABLE tenants (id uuid PRIMARY KEY, name text NOT NULL, slug text UNIQUE, suspended_at timestamptz);
		CREATE TABLE projects (id bigserial PRIMARY KEY, tenant_id uuid NOT NULL REFERENCES tenants, name text NOT NULL);
		CREATE TABLE tasks (id bigserial PRIMARY KEY, project_id bigint NOT NULL REFERENCES projects, title text);
		INSERT INTO tenants VALUES ('`+tenantA+`', 'Acme', 'acme'), ('`+tenantB+`', 'Globex', 'globex');
		INSERT INTO projects (tenant_id, name) SELECT id, name || n FROM tenants, generate_series(1, 3) n;
		INSERT INTO tasks (project_id, title) SELECT id, name || n FROM projects, generate_series(1, 4) n`)
	return d, role
}

// One tenant is looked at, exported, erased, brought back and copied, by the command.
func TestTenantCommands(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: lifecycle's TestRoundTrip
	d, role := tenantCase(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "acme.tar.zst")
	step := func(want int, says string, args ...string) string {
		t.Helper()
		code, out, errs := command(t, append(args, "--database-url", d.As(t, role))...)
		if code != want || !strings.Contains(out+errs, says) {
			t.Fatalf("moat %s: exit %d, want %d and %q\n%s%s", strings.Join(args, " "), code, want, says, out, errs)
		}
		return out
	}
	why := []string{"--reason", "a test"}
	tenant := func(args ...string) []string { return append(append([]string{"tenant"}, args...), why...) }

	step(exitError, "moat tenant setup", tenant("list")...)
	step(exitFound, "GRANT SELECT", "tenant", "setup", d.URL, "--operator", role)
	step(exitFound, "moat.portal_session", "tenant", "setup", d.URL, "--operator", role)
	step(exitError, "no role nobody_at_all", "tenant", "setup", d.URL, "--operator", role, "--sessions", "nobody_at_all")
	step(exitOK, "can act as operator", "tenant", "setup", d.URL, "--operator", role, "--apply")
	step(exitOK, "can act as operator", "tenant", "setup", d.URL, "--operator", role, "--apply") // and again
	step(exitError, "needs a reason", "tenant", "list")
	step(exitOK, "Acme", tenant("list")...)
	step(exitOK, "tasks     12", tenant("show", tenantA)...)
	step(exitError, "no tenant", tenant("show", "cccccccc-0000-4000-8000-000000000009")...)
	step(exitError, "not a tenant's id", tenant("show", "acme")...)
	step(exitOK, "is suspended", tenant("suspend", tenantA, "--apply")...)
	step(exitOK, "suspended", tenant("show", tenantA)...)
	step(exitOK, "is active", tenant("resume", tenantA, "--apply")...)
	step(exitOK, "16 rows of 3 tables", tenant("export", tenantA, "--to", file)...)
	step(exitOK, "16 rows", tenant("export", tenantA, "--as", "json", "--to", filepath.Join(dir, "acme.zip"))...)
	config := filepath.Join(dir, "moat.yaml")
	if err := os.WriteFile(config, []byte("export: {leave_out: [public.tasks.title], mask: {public.projects.name: hash}}"),
		0o600); err != nil {
		t.Fatal(err)
	}
	step(exitOK, `"masked"`, tenant("export", tenantA, "--as", "csv", "--to", filepath.Join(dir, "acme.zip"),
		"--config", config, "--format", "json")...)
	if whole := step(exitOK, `"tenant"`, tenant("export", tenantA, "--to", file, "--config", config, "--format",
		"json")...); strings.Contains(whole, "masked") {
		t.Error("an archive is masked")
	}

	step(exitFound, "Erasing it deletes 16 rows", tenant("erase", tenantA)...)
	step(exitOK, "due to be erased", tenant("erase", tenantA, "--after", "30d", "--apply")...)
	step(exitError, "grace period", tenant("erase", tenantA, "--apply")...)
	step(exitFound, "waits until", tenant("erase", "--due")...)
	step(exitOK, "no tenant is due", tenant("erase", "--due", "--apply", "--certificates", dir)...)
	step(exitError, "cancel it first", tenant("resume", tenantA, "--apply")...)
	step(exitOK, "suspended, to be erased 20", tenant("list")...)
	step(exitOK, "suspended, to be erased 20", tenant("show", tenantA)...)
	step(exitOK, "is cancelled", tenant("erase", tenantA, "--cancel", "--apply")...)
	step(exitOK, "no erasure is requested", tenant("erase", "--due")...)
	step(exitOK, "16 rows deleted", tenant("erase", tenantA, "--apply", "--certificates", dir)...)
	certificate := filepath.Join(dir, "erasure-0001.json")
	if err := os.Remove(certificate); err != nil {
		t.Fatal(err)
	}
	step(exitOK, "was erased before", tenant("erase", tenantA, "--apply", "--certificates", dir)...)
	step(exitOK, "is not back", tenant("erase", "--again", certificate)...)

	step(exitError, "--revoke-certificate", tenant("restore", tenantA, "--from", file, "--apply")...)
	step(exitFound, "Nothing was changed", tenant("restore", tenantA, "--from", file)...)
	step(exitOK, "What changed", tenant("restore", tenantA, "--from", file, "--apply", "--revoke-certificate")...)
	d.Exec(t, "UPDATE projects SET name = 'broken' WHERE tenant_id = '"+tenantA+"'")
	step(exitFound, "3        0  public.projects", tenant("restore", tenantA, "--from", file)...)
	step(exitOK, "What changed", tenant("restore", tenantA, "--from", file, "--apply")...)
	step(exitOK, "3 tables are as in the export", tenant("restore", tenantA, "--from", file)...)
	step(exitOK, "stays: certificate 1 was revoked", tenant("erase", "--again", certificate, "--apply")...)
	d.Exec(t, "UPDATE moat.certificate SET revoked_at = NULL") // as in a backup from before
	step(exitFound, "Erasing it deletes 16 rows", tenant("erase", "--again", certificate)...)
	other := filepath.Join(dir, "erasure-0002.json") // of another database
	if err := os.WriteFile(other, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	step(exitOK, "16 rows deleted", tenant("erase", "--again", certificate, "--apply", "--certificates", dir)...)
	if text, err := os.ReadFile(other); err != nil || string(text) != "{}" {
		t.Errorf("a certificate was written over: %s, %v", text, err)
	}

	const copied = "dddddddd-0000-4000-8000-000000000004"
	step(exitError, "--set", tenant("clone", tenantB, "--as", copied, "--apply")...)
	step(exitOK, "12  public.tasks", tenant("clone", tenantB, "--as", copied, "--set", "public.tenants.slug={}-2",
		"--apply")...)
	step(exitOK, "-", tenant("create", "--set", "name=Made an id", "--apply")...)
	made := step(exitOK, "-", tenant("create", "--set", "id="+tenantA, "--set", "name=Again", "--apply")...)
	if strings.TrimSpace(made) != tenantA {
		t.Errorf("created %q", made)
	}
	var lines int
	conn := d.Conn(t, d.URL)
	err := conn.QueryRow(t.Context(), "SELECT count(*) FROM moat.operator_log WHERE reason = 'a test'").Scan(&lines)
	if err != nil || lines < 20 {
		t.Errorf("%d lines in the operator log, %v", lines, err)
	}
	evidence(t, dir, step)
}

// evidence makes a bundle, and verifies it.
func evidence(t *testing.T, dir string, step func(int, string, ...string) string) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	secret, _ := x509.MarshalPKCS8PrivateKey(private)
	open, _ := x509.MarshalPKIXPublicKey(public)
	for name, b := range map[string]*pem.Block{"key.pem": {Type: "PRIVATE KEY", Bytes: secret},
		"public.pem": {Type: "PUBLIC KEY", Bytes: open}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	bundle := filepath.Join(dir, "bundle")
	old := filepath.Join(dir, "proof.json")
	if err := os.WriteFile(old, []byte(`{"version": 1, "context": {"schema_fingerprint": "another"},
		"probes": [{"attack": "read", "object": "public.projects", "verdict": "isolated"}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	step(exitFound, "run prove again", "evidence", "--out", bundle+"-old", "--reason", "a test", "--prove", old)
	page, err := os.ReadFile(filepath.Join(bundle+"-old", "index.html"))
	if err != nil || !strings.Contains(string(page), "on public.projects: ") {
		t.Errorf("the page lists no finding: %v", err)
	}
	step(exitFound, "no proof was included", "evidence", "--out", bundle, "--reason", "a test", "--key",
		filepath.Join(dir, "key.pem"))
	step(exitOK, "as it was signed", "evidence", "--verify", bundle, "--public-key", filepath.Join(dir, "public.pem"))
	step(exitError, "no key to verify with", "evidence", "--verify", bundle)
	text, err := os.ReadFile(filepath.Join(bundle, "evidence.json"))
	var e struct {
		Erasures []struct{ Number int }  `json:"erasures"`
		Results  []struct{ Name string } `json:"results"`
	}
	if err := json.Unmarshal(text, &e); err != nil || len(e.Erasures) != 2 || e.Results[0].Name != "audit" {
		t.Errorf("%+v, %v", e, err)
	}
	if err != nil {
		t.Fatal(err)
	}
}
