package audit_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/moat-db/moat/audit"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/tenancy"
)

// BenchmarkAudit audits schemas of 1,000 and of 2,000 protected tables: the whole of it,
// and what of that the rules cost. Twice as many tables are to cost twice as much.
func BenchmarkAudit(b *testing.B) {
	for _, tables := range []int{1000, 2000} {
		b.Run(fmt.Sprintf("tables=%d", tables), func(b *testing.B) {
			db := pgtest.New(b)
			o := tenancy.Options{Roles: []string{protectedTables(b, db, tables)}}
			conn := db.Conn(b, db.URL)
			b.Run("all", func(b *testing.B) {
				for b.Loop() {
					v, err := tenancy.Read(b.Context(), conn, o)
					if err != nil {
						b.Fatal(err)
					}
					evidence, err := audit.Probe(b.Context(), conn, v)
					if err != nil {
						b.Fatal(err)
					}
					report(b, audit.Run(v, audit.Options{Evidence: evidence}))
				}
			})
			v, err := tenancy.Read(b.Context(), conn, o)
			if err != nil {
				b.Fatal(err)
			}
			b.Run("rules", func(b *testing.B) {
				for b.Loop() {
					report(b, audit.Run(v.With(v.Model), audit.Options{})) // a View that has judged nothing yet
				}
			})
		})
	}
}

func report(b *testing.B, r audit.Report) {
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	b.ReportMetric(float64(len(r.Findings)), "findings")
	b.ReportMetric(float64(mem.HeapInuse)/(1<<20), "MB-heap")
}

// protectedTables makes tables that refer to one another across the tenants, in steps:
// one transaction of all would hold too many locks. It returns the application role.
func protectedTables(b *testing.B, db *pgtest.Database, tables int) (app string) {
	app = db.AppRole(b)
	db.Exec(b, "CREATE TABLE tenants (id uuid PRIMARY KEY, name text)")
	const step = 100
	for from := 0; from < tables; from += step {
		var sql strings.Builder
		for i := from; i < from+step; i++ {
			fmt.Fprintf(&sql, `
				CREATE TABLE t%[1]d (id bigserial PRIMARY KEY, tenant_id uuid NOT NULL REFERENCES tenants, name text,
					email text UNIQUE, c1 int, c2 text, c3 timestamptz DEFAULT now(), c4 jsonb,
					parent_id bigint NOT NULL REFERENCES t%[2]d);
				CREATE INDEX ON t%[1]d (c1);
				CREATE POLICY wall ON t%[1]d AS RESTRICTIVE
					USING (tenant_id = (SELECT nullif(current_setting('app.current_tenant', true), '')::uuid));
				CREATE POLICY access ON t%[1]d TO %[3]s USING (true);
				ALTER TABLE t%[1]d ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
				GRANT ALL ON t%[1]d TO %[3]s; GRANT USAGE ON SEQUENCE t%[1]d_id_seq TO %[3]s;`, i, max(i-1, 0), app)
		}
		db.Exec(b, sql.String())
	}
	return app
}
