package audit_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/moat-db/moat/audit"
	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/tenancy"
)

// BenchmarkAudit reads and audits a schema of 1,000 tables with 3,000 policies. It
// reports the heap in use after a run.
func BenchmarkAudit(b *testing.B) {
	db := pgtest.New(b)
	app := db.Role(b, "app", "LOGIN")
	db.Exec(b, "CREATE SCHEMA app; CREATE TABLE app.tenants (id uuid PRIMARY KEY, name text); GRANT USAGE ON SCHEMA app TO "+app)
	const tables = 1000
	for from := 0; from < tables; from += 100 {
		db.Exec(b, bulk(from, from+100, app))
	}
	ctx := context.Background()
	conn := db.Conn(b, db.URL)
	b.ResetTimer()
	for b.Loop() {
		s, err := catalog.Load(ctx, conn)
		if err != nil {
			b.Fatal(err)
		}
		v, err := tenancy.Infer(s, tenancy.Options{Roles: []string{app}})
		if err != nil {
			b.Fatal(err)
		}
		r := audit.Run(v, audit.Options{})
		b.ReportMetric(float64(len(r.Findings)), "findings")
		var mem runtime.MemStats
		runtime.ReadMemStats(&mem)
		b.ReportMetric(float64(mem.HeapInuse)/(1<<20), "MB-heap")
		b.ReportMetric(float64(mem.Sys)/(1<<20), "MB-sys")
		runtime.KeepAlive(s)
	}
}

func bulk(from, to int, app string) string {
	const tenant = "tenant_id = (SELECT nullif(current_setting('app.current_tenant', true), '')::uuid)"
	var sql strings.Builder
	for i := from; i < to; i++ {
		fmt.Fprintf(&sql, `CREATE TABLE app.t%[1]d (tenant_id uuid NOT NULL REFERENCES app.tenants (id), id bigint NOT NULL, ref bigint, email text, status text, created_at timestamptz, PRIMARY KEY (tenant_id, id), UNIQUE (tenant_id, email));
			CREATE INDEX ON app.t%[1]d (tenant_id, created_at);
			CREATE POLICY isolation ON app.t%[1]d AS RESTRICTIVE USING (%[2]s) WITH CHECK (%[2]s);
			CREATE POLICY access ON app.t%[1]d TO %[3]s USING (true);
			CREATE POLICY open_rows ON app.t%[1]d FOR SELECT USING (status = 'open' AND %[2]s);
			ALTER TABLE app.t%[1]d ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
			GRANT SELECT, INSERT, UPDATE, DELETE ON app.t%[1]d TO %[3]s;
			`, i, tenant, app)
		if i > 0 {
			fmt.Fprintf(&sql, "ALTER TABLE app.t%d ADD FOREIGN KEY (tenant_id, ref) REFERENCES app.t%d (tenant_id, id);\n", i, i-1)
		}
	}
	return sql.String()
}
