package database_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/prove/database"
)

// BenchmarkAttack proves schemas of two sizes: twice the tables should take about twice
// the time. Run it with -benchtime 1x.
func BenchmarkAttack(b *testing.B) {
	for _, n := range []int{250, 500} {
		b.Run(fmt.Sprintf("%d tables", n), func(b *testing.B) {
			db := pgtest.New(b)
			app := db.Role(b, "app", "LOGIN")
			db.Exec(b, strings.ReplaceAll(forest(n), "$APP", app))
			operator, application := config(b, db.URL), config(b, db.As(b, app))
			for b.Loop() {
				r, err := database.Attack(b.Context(), operator, application, database.Options{})
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(len(r.Probes)), "probes")
			}
		})
	}
}

// forest is n empty, protected tables in five schemas: every second one refers to the one
// before it, the others to one of their own schema, so that chains of references run
// through the whole of it. The application role may do everything with them.
func forest(n int) string {
	const schemas = 5
	var b strings.Builder
	b.WriteString("CREATE TABLE tenants (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text); GRANT SELECT ON " +
		"tenants TO $APP;\n" +
		"INSERT INTO tenants (name) VALUES ('a'), ('b');\n")
	for i := range schemas {
		fmt.Fprintf(&b, "CREATE SCHEMA s%d; GRANT USAGE ON SCHEMA s%[1]d TO $APP;\n", i)
	}
	name := func(i int) string { return fmt.Sprintf("s%d.t%d", i%schemas, i) }
	for i := range n {
		parent := ""
		switch {
		case i%2 == 1:
			parent = ", parent_id bigint NOT NULL REFERENCES " + name(i-1) + " (id)"
		case i >= 2*schemas:
			parent = ", parent_id bigint REFERENCES " + name(i-schemas) + " (id)"
		}
		fmt.Fprintf(&b, "CREATE TABLE %s (id bigserial PRIMARY KEY, tenant_id uuid NOT NULL REFERENCES tenants (id), name "+
			"text, "+
			"email text UNIQUE, c1 int, c2 text, c3 timestamptz DEFAULT now(), c4 jsonb%s);\n", name(i), parent)
		tenant := "tenant_id = (SELECT nullif(current_setting('app.current_tenant', true), '')::uuid)"
		fmt.Fprintf(&b, "CREATE POLICY wall ON %[1]s AS RESTRICTIVE USING (%[2]s); CREATE POLICY access ON %[1]s TO $APP "+
			"USING (true);\n"+
			"ALTER TABLE %[1]s ENABLE ROW LEVEL SECURITY; ALTER TABLE %[1]s FORCE ROW LEVEL SECURITY; GRANT ALL ON %[1]s TO "+
			"$APP;\n", name(i), tenant)
	}
	return b.String()
}
