package demo_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/demo"
	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// TestDemo starts the demo as moat demo does: the roles have fixed names, so it needs
// a server of its own.
func TestDemo(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	d, err := demo.Start(ctx, demo.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Stop(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(d.SecretFile); !os.IsNotExist(err) {
			t.Errorf("the secret is still there: %v", err)
		}
	})
	db, err := moat.Open(ctx, d.ApplicationURL, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var sizes []int
	events := 0
	for _, c := range d.Clients {
		var leads, own, happened int
		err := db.QueryRow(moat.WithScope(ctx, moat.Scope{Tenant: c.Tenant}),
			"select count(*), count(*) filter (where tenant_id = $1), (select count(*) from lead_events) from leads",
			string(c.Tenant)).Scan(&leads, &own, &happened)
		if err != nil {
			t.Fatal(err)
		}
		if leads != own {
			t.Errorf("%s sees %d leads of others", c.Name, leads-own)
		}
		sizes = append(sizes, leads)
		events += happened
	}
	if diff := cmp.Diff([]int{18000, 7500, 3200, 1100, 200}, sizes); diff != "" {
		t.Errorf("leads (-want +got):\n%s", diff)
	}
	if events != 60_000 {
		t.Errorf("%d events", events)
	}
	if token, err := d.Token(d.Clients[0].Tenant, "test", "client", time.Hour); err != nil || token == "" {
		t.Errorf("token: %v", err)
	}
}

func TestKeptDemoKeepsItsData(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: the tests of internal/postgres
	ctx := context.Background()
	dir := t.TempDir()
	// As root the server runs as another user, who must be able to enter the folder.
	for p := dir; p != "/" && p != os.TempDir(); p = parent(p) {
		if err := os.Chmod(p, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	dir += "/kept"
	secrets := map[string]bool{}
	for range 2 {
		d, err := demo.Start(ctx, demo.Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		secret, err := os.ReadFile(d.SecretFile)
		if err != nil {
			t.Error(err)
		}
		secrets[string(secret)] = true
		if err := d.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	if len(secrets) != 1 {
		t.Error("the secret changed: tokens of the first run are worthless")
	}
}

func parent(p string) string {
	for i := len(p) - 1; i > 0; i-- {
		if p[i] == '/' {
			return p[:i]
		}
	}
	return "/"
}
