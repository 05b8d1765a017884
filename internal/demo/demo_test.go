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
	"github.com/moat-db/moat/internal/roles"
)

// TestDemo starts the demo as moat demo does: the roles have fixed names, so it needs
// a server of its own.
func TestDemo(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: the demo's parts, beside this one
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
	db, err := moat.Open(ctx, d.ApplicationURL, &moat.Options{TreeRole: roles.Tree})
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
	isShared(t, db, d)
	if token, err := d.Token(d.Clients[0].Tenant, "test", "client", time.Hour); err != nil || token == "" {
		t.Errorf("token: %v", err)
	}
}

// isShared counts what the demo has that is more than one tenant's.
func isShared(t *testing.T, db *moat.DB, d *demo.Demo) {
	t.Helper()
	const counts = `select concat_ws(' ', (select count(*) from leads), (select count(*) from tenants),
		(select count(*) from templates), (select count(*) from referrals),
		(select string_agg(split_part(name, ' ', 1), ',' order by name) from people))`
	solar, dental, roofing := d.Clients[0].Tenant, d.Clients[1].Tenant, d.Clients[3].Tenant
	for _, c := range []struct {
		who   string
		scope moat.Scope
		want  string
	}{
		{"the agency's own", moat.Scope{Tenant: d.Agency.Tenant}, "40 1 4 0 Carla"},
		{"the agency and below", moat.Scope{Tenant: d.Agency.Tenant, Width: moat.Descendants},
			"30040 6 6 4 Carla,Elena,Nadia,Priya,Tom"},
		{"solar", moat.Scope{Tenant: solar}, "18000 1 5 3 Elena,Nadia"},
		{"dental, where Priya is only invited", moat.Scope{Tenant: dental}, "7500 1 5 1 Tom"},
		{"roofing", moat.Scope{Tenant: roofing}, "1100 1 4 3 Nadia"},
		{"a client has nobody below", moat.Scope{Tenant: roofing, Width: moat.Descendants}, "1100 1 4 3 Nadia"},
	} {
		var got string
		if err := db.QueryRow(moat.WithScope(t.Context(), c.scope), counts).Scan(&got); err != nil || got != c.want {
			t.Errorf("%s: %s, want %s (leads, tenants, templates, referrals, people); %v", c.who, got, c.want, err)
		}
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
