// Package clients runs published clients, unmodified, against moat serve.
package clients

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/moat-db/moat/internal/postgres/pgtest"
)

const secret = "0123456789abcdef0123456789abcdef"

const configuration = `
tenant: {column: tenant_id, type: uuid, setting: app.current_tenant, table: app.tenants, key: id}
tables: {schemas: [app, extra], shared: [app.countries]}
auth:
  issuers:
    - {issuer: test, audience: moat, secret_env: TEST_SECRET}
serve: {schemas: [app, extra], allow_explain: true, allow_tx_rollback: true, allow_aggregates: true}
limits: {requests_per_second: 10000, concurrent: 10}
`

// TestPublishedClients builds moat and runs each suite against a server of its own over
// the schema of the API's own tests. It needs node and npm, and fails without them.
func TestPublishedClients(t *testing.T) {
	t.Parallel()
	folder := install(t)
	for _, suite := range []string{"suite.mjs", "admin.mjs", "refine.mjs"} {
		t.Run(suite, func(t *testing.T) {
			t.Parallel()
			run(t, folder, suite)
		})
	}
}

func run(t *testing.T, folder, suite string) {
	t.Helper()
	root := serve(t)
	command := exec.CommandContext(t.Context(), "node", suite)
	command.Dir = folder
	command.Env = append(os.Environ(), "MOAT_URL="+root,
		"TOKEN_A="+token("aaaaaaaa-0000-4000-8000-000000000001", "ann"),
		"TOKEN_B="+token("bbbbbbbb-0000-4000-8000-000000000002", "bob"))
	output, err := command.CombinedOutput()
	for line := range strings.Lines(string(output)) {
		if !strings.HasPrefix(line, "ok ") {
			t.Log(strings.TrimSpace(line))
		}
	}
	if err != nil {
		t.Errorf("the suite: %v", err)
	}
}

// install puts the clients, at their pinned versions, into a folder of the test.
func install(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	for _, name := range []string{"package.json", "suite.mjs", "admin.mjs", "refine.mjs", "tally.mjs"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	command := exec.CommandContext(t.Context(), "npm", "install", "--no-package-lock", "--ignore-scripts",
		"--no-audit", "--no-fund")
	command.Dir = folder
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("npm install: %v\n%s", err, output)
	}
	return folder
}

// serve runs moat serve over a database of its own and returns its address.
func serve(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	binary := filepath.Join(folder, "moat")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "./cmd/moat")
	build.Dir = filepath.Join("..", "..")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, output)
	}
	db := database(t)
	file := filepath.Join(folder, "moat.yaml")
	if err := os.WriteFile(file, []byte(configuration), 0o600); err != nil {
		t.Fatal(err)
	}
	address := freeAddress(t)
	var log bytes.Buffer
	server := exec.Command(binary, "serve", "--config", file, "--addr", address)
	server.Env = append(os.Environ(), "TEST_SECRET="+secret, "MOAT_APP_URL="+db.As(t, db.Roles["app"]))
	server.Stdout, server.Stderr = &log, &log
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Signal(syscall.SIGTERM)
		_ = server.Wait()
		if t.Failed() {
			t.Log(tail(log.String()))
		}
	})
	waitReady(t, "http://"+address)
	return "http://" + address
}

func tail(s string) string { return s[max(0, len(s)-4000):] }

func database(t *testing.T) *pgtest.Database {
	t.Helper()
	db := pgtest.New(t)
	sql, err := os.ReadFile(filepath.Join("..", "..", "api", "testdata", "schema.sql"))
	if err != nil {
		t.Fatal(err)
	}
	db.Exec(t, strings.ReplaceAll(string(sql), ":app", db.AppRole(t)))
	return db
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func waitReady(t *testing.T, root string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		if answer, err := http.Get(root + "/readyz"); err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("moat serve is not ready after 30 s")
}

// token signs a token as an issuer with a shared secret does (RFC 7515, HS256).
func token(tenant, subject string) string {
	encode := base64.RawURLEncoding.EncodeToString
	now := time.Now().Unix()
	text := encode([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + encode(fmt.Appendf(nil,
		`{"iss":"test","aud":"moat","sub":%q,"tenant_id":%q,"iat":%d,"exp":%d}`, subject, tenant, now, now+3600))
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(text))
	return text + "." + encode(mac.Sum(nil))
}
