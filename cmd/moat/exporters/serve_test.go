package exporters_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/moat-db/moat/cmd/moat/exporters"
	"github.com/moat-db/moat/internal/cli"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/internal/printed"
)

const (
	tenantA       = "11111111-1111-1111-1111-111111111111"
	configuration = "auth: {issuers: [{issuer: https://id.test, audience: moat, secret_file: SECRET}]}\n" +
		"portal: {disabled: true}\n"
)

// served is a running moat serve over one isolated table.
type served struct {
	url, metrics, token string
	errs                *printed.Output
	stop                func() int
}

// startServe runs moat serve with the command's exporters, and these lines at the end of its
// configuration.
func startServe(t *testing.T, more string) *served {
	t.Helper()
	d := pgtest.New(t)
	role := d.AppRole(t)
	d.Exec(t, `
		create table tenants (id uuid primary key);
		create table leads (tenant_id uuid not null references tenants, id int, primary key (tenant_id, id));
		insert into tenants values ('`+tenantA+`'), ('22222222-2222-2222-2222-222222222222');
		insert into leads select id, 1 from tenants;
		create policy tenant on leads using (tenant_id = (select
		  nullif(current_setting('app.current_tenant', true), '')::uuid));
		alter table leads enable row level security; alter table leads force row level security;
		grant select on leads to `+role)
	folder := t.TempDir()
	file, secret := filepath.Join(folder, "moat.yaml"), filepath.Join(folder, "secret")
	write(t, secret, strings.Repeat("k", 32))
	write(t, file, strings.ReplaceAll(configuration, "SECRET", secret)+more)
	var token bytes.Buffer
	s := &served{errs: &printed.Output{}}
	if code := cli.Main(t.Context(), []string{"token", "--config", file, "--tenant", tenantA},
		cli.IO{In: strings.NewReader(""), Out: &token, Err: s.errs}); code != 0 {
		t.Fatal(s.errs)
	}
	s.token = strings.TrimSpace(token.String())
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan int, 1)
	go func() {
		ended <- cli.Main(ctx, []string{"serve", "--config", file, "--app-url", d.As(t, role), "--addr", "127.0.0.1:0"},
			cli.IO{In: strings.NewReader(""), Out: io.Discard, Err: s.errs,
				Telemetry: cli.Telemetry{Metrics: exporters.Metrics, Traces: exporters.OTLP}})
	}()
	s.stop = sync.OnceValue(func() int { cancel(); return <-ended })
	t.Cleanup(func() { s.stop() })
	s.url = "http://" + s.errs.Find(t, `"msg":"serving","address":"([^"]+)"`)
	if strings.Contains(more, "metrics_address") {
		s.metrics = "http://" + s.errs.Find(t, `"msg":"serving metrics","address":"([^"]+)"`)
	}
	return s
}

// get asks with the token and these headers ("Name: value").
func (s *served) get(t *testing.T, address string, headers ...string) (status int, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range append(headers, "Authorization: Bearer "+s.token) {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
