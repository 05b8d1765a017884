package lifecycle_test

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/lifecycle"
)

// After an erasure a row is planted in each kind of place; each is found, and named.
func TestLeftoversAreFound(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestErase
	w := newWorld(t, pgtest.Shared(t))
	if _, err := w.operator(t).Erase(t.Context(), acme, lifecycle.EraseOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.operator(t).VerifyErased(t.Context(), acme); err != nil {
		t.Fatalf("nothing is left: %v", err)
	}
	for nth, p := range []struct{ kind, sql, place string }{
		{"the tenants table", "INSERT INTO app.tenants (id, name, slug) VALUES ($1, 'x', 'x')", "app.tenants"},
		{"a tenant table", "INSERT INTO app.audit_log (tenant_id, what) VALUES ($1, 'x')", "app.audit_log"},
		{"a table in a cycle", "INSERT INTO app.teams (tenant_id, name) VALUES ($1, 'x')", "app.teams"},
		{"a link", "INSERT INTO app.memberships SELECT $1, id FROM app.users LIMIT 1", "app.memberships"},
		{"a partition", "INSERT INTO app.events_2025 (tenant_id, id, at, kind) VALUES ($1, 1, '2025-03-01', 'x')",
			"app.events"},
		{"a partition of a partition", "INSERT INTO app.events (tenant_id, at, kind) VALUES ($1, '2026-03-01', 'x')",
			"app.events"},
		{"a table that inherits", "INSERT INTO app.old_files (tenant_id, name) VALUES ($1, 'x')", "app.old_files"},
		{"a party", "UPDATE app.orders SET buyer_id = $1 WHERE id = (SELECT min(id::text)::uuid FROM app.orders)",
			"app.orders"},
		{"a share", "INSERT INTO app.order_shares SELECT tenant_id, id, $1 FROM app.orders LIMIT 1", "app.order_shares"},
		{"a table below", "UPDATE app.tenants SET parent_id = $1 WHERE slug = 'globex'", "app.tenants"},
		{"a child", `WITH i AS (INSERT INTO billing.invoices (tenant_id, number, net, currency) VALUES ($1, 'x', 1, 'EUR')
			RETURNING 1) SELECT 1`, "billing.invoices"},
		{"an ignored table", "CREATE TABLE app.ignored AS SELECT $1::uuid AS whatever", "app.ignored"},
		{"a shared table", "CREATE TABLE app.shared AS SELECT 'EUR' AS code, $1::uuid AS maker", "app.shared"},
		{"a materialized view", "CREATE MATERIALIZED VIEW app.old AS SELECT $1::uuid AS t, 1 AS n", "app.old"},
		{"a key of moat's", "CREATE TABLE moat.thing (tenant text); INSERT INTO moat.thing VALUES ($1)", "moat.thing"},
	} {
		t.Run(p.kind, func(t *testing.T) {
			pgtest.OneOf(t, 3, nth)
			conn := w.Conn(t, w.URL)
			// Keys to the tenants table would demand its row, and so be found by it alone.
			sql := "BEGIN; SET LOCAL session_replication_role = replica; " + strings.ReplaceAll(p.sql, "$1", "'"+acme+"'") + ";"
			if _, err := conn.Exec(t.Context(), sql); err != nil {
				t.Fatal(err)
			}
			here := *w
			switch p.place {
			case "app.ignored":
				here.options.Ignored = append(slices.Clone(here.options.Ignored), named(p.place))
			case "app.shared":
				here.options.Shared = append(slices.Clone(here.options.Shared), named(p.place))
			}
			var left *lifecycle.LeftoverError
			_, err := here.operatorOn(t, conn).VerifyErased(t.Context(), acme)
			if !errors.As(err, &left) || left.Left[0].Place != p.place || left.Left[0].Rows != 1 {
				t.Errorf("found %v, want a row of %s", err, p.place)
			}
			if _, err := conn.Exec(t.Context(), "ROLLBACK"); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestCertificatesAreAChain(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestErase
	w := newWorld(t, pgtest.Shared(t))
	w.export(t, globex)
	w.Exec(t, "CREATE TABLE moat.portal_session (expires timestamptz); "+
		"INSERT INTO moat.portal_session VALUES ('2100-01-02'); CREATE TABLE moat.tenant_name (tenant text); "+
		"INSERT INTO moat.tenant_name VALUES ('"+acme+"')")
	var files []string
	for _, tenant := range []string{acme, globex} {
		opts := lifecycle.EraseOptions{Beyond: []string{"the bucket uploads"}}
		if tenant == globex {
			opts.BackupsKept = 35 * 24 * time.Hour
		}
		c, err := w.operator(t).Erase(t.Context(), tenant, opts)
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		if err := lifecycle.WriteCertificate(&b, c); err != nil {
			t.Fatal(err)
		}
		files = append(files, b.String())
		var page strings.Builder
		if err := lifecycle.PrintCertificate(&page, c); err != nil || !strings.Contains(page.String(), "the bucket uploads") {
			t.Errorf("the page: %v", err)
		}
		if name := os.Getenv("MOAT_TEST_CERTIFICATE"); name != "" { // to look at
			if err := os.WriteFile(name, []byte(page.String()), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	read, err := lifecycle.ReadCertificate(strings.NewReader(files[1]))
	until := "is gone on " + read.ErasedAt.AddDate(0, 0, 35).Format("2 January 2006")
	for _, want := range []string{"1 export of the tenant made with moat", "kept for 35 days, so that the last " + until,
		"moat.operator_log: 2 lines", "the last ends on 2100-01-02", "hashes of names"} {
		if !strings.Contains(files[1], want) {
			t.Errorf("the certificate does not say %q", want)
		}
	}
	if !strings.Contains(files[0], "how long they are kept was not said") || strings.Contains(files[0], "made with moat") {
		t.Error("the certificate says more of backups than is known")
	}
	if err != nil || read.Number != 2 || read.Tenant != globex {
		t.Fatalf("%+v, %v", read, err)
	}
	all, err := w.operator(t).Certificates(t.Context())
	if err != nil || len(all) != 2 || all[1].Previous != all[0].Digest {
		t.Fatalf("%d certificates, %v", len(all), err)
	}
	if _, err := lifecycle.ReadCertificate(strings.NewReader(strings.Replace(files[1], globex, initech, 1))); err == nil {
		t.Error("a file that was changed was read")
	}
	for what, sql := range map[string]string{
		"a text that was changed": "UPDATE moat.certificate SET body = replace(body, 'ada', 'bob') WHERE number = 1",
		"one with a new digest": `UPDATE moat.certificate SET body = replace(body, 'ada', 'bob'),
			digest = encode(sha256(convert_to(replace(body, 'ada', 'bob'), 'UTF8')), 'hex') WHERE number = 1`,
		"one that is missing": "DELETE FROM moat.certificate WHERE number = 1",
	} {
		conn := w.Conn(t, w.URL)
		if _, err := conn.Exec(t.Context(), "BEGIN; "+sql); err != nil {
			t.Fatal(err)
		}
		if _, err := w.operatorOn(t, conn).Certificates(t.Context()); err == nil {
			t.Errorf("%s was not seen", what)
		}
		if _, err := conn.Exec(t.Context(), "ROLLBACK"); err != nil {
			t.Fatal(err)
		}
	}
}
