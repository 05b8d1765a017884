package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/internal/printed"
)

// startDemo runs moat demo in this process until the test ends.
func startDemo(t *testing.T, args ...string) (out, errs *printed.Output) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	out, errs = &printed.Output{}, &printed.Output{}
	code := make(chan int, 1)
	go func() {
		code <- Main(ctx, append([]string{"demo", "--addr", "127.0.0.1:0"}, args...), IO{In: strings.NewReader(""),
			Out: out, Err: errs})
	}()
	t.Cleanup(func() {
		stop()
		if c := <-code; c != exitOK {
			t.Errorf("demo ended with %d: %s", c, errs)
		}
	})
	return out, errs
}

// The six commands of the demo do what their line says.
func TestDemoCommands(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestDemo
	out, _ := startDemo(t)
	out.Find(t, "Ctrl-C")
	commands := regexp.MustCompile(`(?m)^  \d\. .*\n     (.*)$`).FindAllStringSubmatch(out.String(), -1)
	if len(commands) != 6 {
		t.Fatalf("%d commands to try:\n%s", len(commands), out)
	}
	var results [6]string
	for i, c := range commands {
		text, err := exec.Command("bash", "-c", c[1]).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", c[1], err, text)
		}
		results[i] = string(text)
	}
	if strings.Count(results[0], `"name"`) != 3 || strings.Count(results[1], `"name"`) != 3 || results[0] == results[1] {
		t.Errorf("two clients' leads:\n%s\n%s", results[0], results[1])
	}
	if !strings.HasSuffix(strings.TrimSpace(results[2]), "401") {
		t.Errorf("without a token: %s", results[2])
	}
	if strings.TrimSpace(results[3]) != "[]" {
		t.Errorf("A asked for B's rows: %s", results[3])
	}
	if counts := regexp.MustCompile(`(?m)^ +(\d+)$`).FindAllStringSubmatch(results[4], -1); len(counts) != 2 ||
		counts[0][1] != "0" || counts[1][1] != "18000" {
		t.Errorf("SQL without and with the setting: %s", results[4])
	}
	if strings.Count(results[5], `"status"`) != 5 || strings.Count(results[5], `"tenants":{"name"`) != 5 {
		t.Errorf("the leads below the agency: %s", results[5])
	}
}

// In sealed mode the same commands work, and a forged setting shows nothing.
func TestSealedDemo(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestSealFromPlainAndBack
	out, _ := startDemo(t, "--sealed")
	out.Find(t, "Ctrl-C")
	config := regexp.MustCompile(`--config (\S+)`).FindStringSubmatch(out.String())[1]
	app := regexp.MustCompile(`--app-url '([^']+)'`).FindStringSubmatch(out.String())[1]
	tenants := regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}`).FindAllString(out.String(), 2)
	const count = "select count(*) from leads"
	if _, got, errs := run(t, "sql", "--config", config, "--app-url", app, "--tenant", tenants[0],
		count); !strings.Contains(got, "18000") {
		t.Errorf("sealed tenant: %s%s", got, errs)
	}
	if _, got, _ := run(t, "sql", "--config", config, "--app-url", app, count); strings.Contains(got, "18000") {
		t.Errorf("no tenant: %s", got)
	}
	forge := "select set_config('app.current_tenant', '" + tenants[1] + "', true); select tenant_id from leads limit 1"
	if code, got, _ := run(t, "breakin", "--config", config, "--app-url", app, "--tenant", tenants[0],
		forge); code != exitOK {
		t.Errorf("a forged setting showed another client's rows: %s", got)
	}
}

func TestDemoJSONDrivesScripts(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestDemo
	out, _ := startDemo(t, "--format", "json")
	out.Find(t, "\n")
	var ready struct {
		URL     string `json:"url"`
		API     string `json:"api_url"`
		App     string `json:"application_database_url"`
		Op      string `json:"operator_database_url"`
		Config  string `json:"config_file"`
		Clients []struct{ Name, Tenant, Token string }
		Agency  struct{ Name, Tenant, Token string }
		Proxy   demoProxy
	}
	d := json.NewDecoder(strings.NewReader(out.String()))
	d.DisallowUnknownFields()
	if err := d.Decode(&ready); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	if strings.Count(out.String(), "\n") != 1 || len(ready.Clients) != 5 || ready.Agency.Token == "" || ready.App == "" ||
		ready.Op == "" ||
		ready.API != ready.URL+"/rest/v1" {
		t.Fatalf("ready line: %s", out)
	}
	for _, c := range ready.Clients {
		r, err := http.NewRequest(http.MethodGet, ready.API+"/leads?select=tenant_id&limit=1000", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+c.Token)
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode != http.StatusOK || strings.Count(string(body), "tenant_id") != strings.Count(string(body),
			c.Tenant) || !strings.Contains(string(body), c.Tenant) {
			t.Errorf("%s: %s, rows of others or none", c.Name, res.Status)
		}
		if n := foreignThroughProxy(t, ready.Proxy, c.Token, c.Tenant); n != "0 of others" {
			t.Errorf("%s reads %s through the proxy", c.Name, n)
		}
	}
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 200, "/rest/v1/leads": 401} {
		res, err := http.Get(ready.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("GET %s: %s", path, res.Status)
		}
	}
}

// kill -9 leaves neither a server nor a folder behind.
func TestDemoKilled(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: the tests of internal/postgres
	binary := filepath.Join(t.TempDir(), "moat")
	if text, err := exec.Command("go", "build", "-o", binary, "../../cmd/moat").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, text)
	}
	out := &printed.Output{}
	cmd := exec.Command(binary, "demo", "--addr", "127.0.0.1:0", "--format", "json")
	cmd.Stdout = out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	out.Find(t, "\n")
	socket := regexp.MustCompile(`host=([^&"\\]+)`).FindStringSubmatch(out.String())
	if socket == nil {
		t.Fatalf("no socket in %s", out)
	}
	folder := filepath.Dir(strings.ReplaceAll(socket[1], "%2F", "/"))
	if _, err := os.Stat(folder); err != nil {
		t.Fatalf("the folder is not there while the demo runs: %v", err)
	}
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		_, err := os.Stat(folder)
		left := processesNaming(t, folder)
		if os.IsNotExist(err) && len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("left behind after kill -9: folder %v, processes %q", err == nil, left)
		}
	}
}

// processesNaming lists the command lines that mention a folder.
func processesNaming(t *testing.T, folder string) (found []string) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		line, err := os.ReadFile(f)
		if err == nil && strings.Contains(string(line), folder) {
			found = append(found, strings.ReplaceAll(string(line), "\x00", " "))
		}
	}
	return found
}

// foreignThroughProxy counts leads as a driver sees them that gives a token as its password.
func foreignThroughProxy(t *testing.T, p demoProxy, token, tenant string) (counted string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), fmt.Sprintf("host=%s port=%d dbname=%s user=app password=%s sslmode=disable",
		p.Host, p.Port, p.Database, token))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	const sql = `select case count(*) when 0 then 'no rows' else
		count(*) filter (where tenant_id <> $1::uuid) || ' of others' end from leads`
	if err := conn.QueryRow(t.Context(), sql, tenant).Scan(&counted); err != nil {
		t.Error(err)
	}
	return counted
}
