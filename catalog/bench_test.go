package catalog_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// wideSchema is a schema of n tables, each with ten columns, three indexes, two
// foreign keys and three policies.
func wideSchema(n int) string {
	var b strings.Builder
	b.WriteString("CREATE SCHEMA app; CREATE TABLE app.tenants (id uuid PRIMARY KEY);\n" +
		"CREATE TABLE app.membership (tenant_id uuid REFERENCES app.tenants, user_id uuid);\n")
	for i := range n {
		fmt.Fprintf(&b, `CREATE TABLE app.t%[1]d (id bigint GENERATED ALWAYS AS IDENTITY, tenant_id uuid NOT NULL REFERENCES
			app.tenants,
	parent_id bigint, name text NOT NULL DEFAULT '', email text, status text CHECK (status IN ('a', 'b')),
	amount numeric(10,2),
	at timestamptz DEFAULT now(), data jsonb, note varchar(200), PRIMARY KEY (tenant_id, id),
	FOREIGN KEY (tenant_id, parent_id) REFERENCES app.t%[1]d, UNIQUE (tenant_id, email));
CREATE INDEX ON app.t%[1]d (tenant_id, status);
ALTER TABLE app.t%[1]d ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON app.t%[1]d AS RESTRICTIVE USING (tenant_id = (SELECT
	nullif(current_setting('app.current_tenant', true), '')::uuid))
	WITH CHECK (tenant_id = (SELECT nullif(current_setting('app.current_tenant', true), '')::uuid));
CREATE POLICY tenant_access ON app.t%[1]d USING (true) WITH CHECK (true);
CREATE POLICY members ON app.t%[1]d FOR SELECT USING (EXISTS (SELECT 1 FROM app.membership m
	WHERE m.tenant_id = t%[1]d.tenant_id AND m.user_id = current_setting('app.user_id', true)::uuid));
`, i)
	}
	return b.String()
}

// BenchmarkLoad reads 1,000 tables with 3,000 policies; the empty database
// shows what the built-in objects cost. Judging all of it is the third figure.
func BenchmarkLoad(b *testing.B) {
	for _, tables := range []int{0, 1000} {
		b.Run(fmt.Sprintf("tables=%d", tables), func(b *testing.B) {
			db := pgtest.New(b)
			if tables > 0 {
				db.Exec(b, wideSchema(tables))
			}
			conn := db.Conn(b, db.URL)
			for b.Loop() {
				load(b, conn)
			}
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			b.ReportMetric(float64(m.Sys)/1e6, "MB-sys")
		})
	}
}
