package lifecycle_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/lifecycle"
	"github.com/moat-db/moat/tenancy"
)

const (
	acme    = "aaaaaaaa-0000-4000-8000-000000000001"
	globex  = "bbbbbbbb-0000-4000-8000-000000000002"
	initech = "cccccccc-0000-4000-8000-000000000003"
)

// world is a database with three tenants.
type world struct {
	*pgtest.Database
	options tenancy.Options
}

func newWorld(t *testing.T, c *pgtest.Cluster) *world {
	t.Helper()
	db := c.Template(t, "lifecycle", func(t testing.TB, db *pgtest.Database) {
		for _, name := range []string{"schema.sql", "rows.sql"} {
			text, err := os.ReadFile(filepath.Join("testdata", name))
			if err != nil {
				t.Fatal(err)
			}
			db.Exec(t, string(text))
		}
	})
	return &world{db, modelOptions()}
}

func modelOptions() tenancy.Options {
	return tenancy.Options{
		Column: "tenant_id", Tenants: named("app.tenants"), Key: "id",
		Shared:  []catalog.QName{named("app.currencies")},
		Columns: map[string]string{"billing.lines": "tenant"},
		Shapes: catalog.Shapes{
			Members: []catalog.Members{{Table: named("app.users"), Key: "id", Through: named("app.memberships"),
				Person: "user_id"}},
			OwnedBy: []catalog.OwnedBy{{Table: named("app.blobs"), Key: "id",
				By: catalog.ColumnRef{Relation: named("app.files"), Column: "blob_id"}}},
			Parties: []catalog.Parties{{Table: named("app.orders"), Owner: "tenant_id", Reads: []string{"buyer_id"}}},
			Shares: []catalog.Shares{{Table: named("app.orders"), Key: "id", Through: named("app.order_shares"), Row: "order_id",
				With: "with_id"}},
		},
	}
}

func named(s string) catalog.QName {
	schema, name, _ := strings.Cut(s, ".")
	return catalog.QName{Schema: schema, Name: name}
}

// operator connects anew, as whoever runs the command once more would.
func (w *world) operator(t *testing.T) *lifecycle.Operator {
	t.Helper()
	return w.operatorOn(t, w.Conn(t, w.URL))
}

func (w *world) operatorOn(t *testing.T, conn *pgx.Conn) *lifecycle.Operator {
	t.Helper()
	view, err := tenancy.Read(t.Context(), conn, w.options)
	if err != nil {
		t.Fatal(err)
	}
	o, err := lifecycle.NewOperator(t.Context(), conn, view, lifecycle.Options{Name: "ada", Reason: "the contract ended",
		Gate: gate{}})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// mine are the conditions by which a person would write down whose rows a table's are,
// independent of what the package derives.
var mine = map[string]string{
	"app.tenants": "x.id = $1", "app.memberships": "x.tenant_id = $1", "app.teams": "x.tenant_id = $1",
	"app.people": "x.tenant_id = $1", "billing.invoices": "x.tenant_id = $1", "billing.lines": "x.tenant = $1",
	"app.notes":  "x.person_id IN (SELECT p.id FROM app.people p WHERE p.tenant_id = $1)",
	"app.events": "x.tenant_id = $1", "app.files": "x.tenant_id = $1",
	"app.old_files": "x.tenant_id = $1", "app.orders": "x.tenant_id = $1", "app.order_shares": "x.tenant_id = $1",
	"app.audit_log": "x.tenant_id = $1",
	"app.blobs":     "x.id IN (SELECT f.blob_id FROM app.files f WHERE f.tenant_id = $1)",
	"app.users":     "$1 IS NULL", // people may belong to several, and are nobody's own
}

// fingerprint hashes all rows of a tenant, or, with others, all that are not its.
func (w *world) fingerprint(t *testing.T, tenant string, others bool) map[string]string {
	t.Helper()
	conn := w.connect(t)
	defer conn.Close(t.Context())
	prints := map[string]string{}
	for table, where := range mine {
		if others {
			where = "(" + where + ") IS NOT TRUE"
		}
		row, from := "x::text", table
		if table == "app.tenants" {
			row = "(to_jsonb(x) - 'suspended_at')::text" // its state is looked at by itself
		}
		if strings.HasSuffix(table, "files") {
			// What a large object holds counts, not its number.
			row, from = "x.tenant_id || x.name || coalesce(md5(lo_get(x.content)), '')", "ONLY "+table
		}
		var n int64
		var sum string
		err := conn.QueryRow(t.Context(), "SELECT count(*), coalesce(md5(string_agg("+row+", '|' ORDER BY "+row+")), "+
			"'') FROM "+
			from+" x WHERE "+strings.ReplaceAll(where, "$1", sqltext.Literal(tenant)+"::uuid")).Scan(&n, &sum)
		if err != nil {
			t.Fatalf("%s: %v", table, err)
		}
		prints[table] = fmt.Sprintf("%d rows %s", n, sum)
	}
	return prints
}

// connect is for one look; Conn would stay open until the test ends.
func (w *world) connect(t *testing.T) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), w.URL)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func (w *world) count(t *testing.T, sql string, args ...any) (n int64) {
	t.Helper()
	conn := w.connect(t)
	defer conn.Close(t.Context())
	if err := conn.QueryRow(t.Context(), sql, args...).Scan(&n); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return n
}

func (w *world) export(t *testing.T, tenant string) []byte {
	t.Helper()
	var file bytes.Buffer
	if _, err := w.operator(t).Export(t.Context(), tenant, &file, lifecycle.ExportOptions{}); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

func readerOf(data []byte) *bytes.Reader { return bytes.NewReader(data) }

// gate suspends by app.tenants.suspended_at.
type gate struct{}

func (gate) Column() string { return "suspended_at" }

func (gate) Suspended(ctx context.Context, conn *pgx.Conn, tenant string) (suspended bool, err error) {
	err = conn.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM app.tenants WHERE id = $1 AND suspended_at IS NOT NULL)",
		tenant).Scan(&suspended)
	return suspended, err
}

func (gate) Suspend(ctx context.Context, conn *pgx.Conn, tenant string, suspended bool) error {
	_, err := conn.Exec(ctx, "UPDATE app.tenants SET suspended_at = CASE WHEN $2 THEN now() END WHERE id = $1", tenant,
		suspended)
	return err
}
