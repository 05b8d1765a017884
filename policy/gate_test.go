package policy_test

import (
	"strings"
	"testing"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/policy"
)

// A gate is true for the roles that it tests and for nobody else, whichever way it is written.
func TestGateRoles(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestShapesAreJudged
	pgtest.EachMajor(t, func(t *testing.T, c *pgtest.Cluster) { t.Parallel(); gateRoles(t, c) })
}

func gateRoles(t *testing.T, c *pgtest.Cluster) {
	const a, b = "pg_has_role('pg_monitor', 'USAGE')", "pg_has_role('pg_read_all_stats', 'USAGE')"
	db := c.New(t)
	db.Exec(t, "CREATE TABLE t (x int)")
	for _, x := range []struct{ expr, want string }{
		{policy.HasRole([]string{"pg_monitor", "pg_read_all_stats"}), "pg_monitor pg_read_all_stats"},
		{"(SELECT true WHERE " + a + " OR " + b + ") IS NOT NULL", "pg_monitor pg_read_all_stats"},
		{"EXISTS (SELECT WHERE " + a + " OR " + b + ")", "pg_monitor pg_read_all_stats"},
		{"(SELECT " + a + ")", "pg_monitor"},
		{"(SELECT " + a + " OR NULL) IS NOT NULL", "pg_monitor"},
		{"(SELECT " + a + " OR " + b + ") IS NOT NULL", ""}, // always true
		{"(SELECT " + a + ") IS NOT NULL", ""},
		{"(SELECT " + a + " OR NULL OR true) IS NOT NULL", ""},
		{"(SELECT " + a + " OR NULL) IS NULL", ""},
		{"(SELECT " + a + " OR NULL FROM t LIMIT 1) IS NOT NULL", ""},
		{"(SELECT " + a + " OR NULL) IS NOT FALSE", ""},
		{a, "pg_monitor"},
		{"NOT EXISTS (SELECT WHERE " + a + ")", ""},
		{"EXISTS (SELECT WHERE " + a + " OR true)", ""},
		{"EXISTS (SELECT WHERE " + a + " HAVING true)", ""},
		{"EXISTS (SELECT count(*) WHERE " + a + ")", ""},
		{"EXISTS (SELECT " + a + ")", ""},
		{"EXISTS (SELECT FROM t WHERE " + a + ")", ""},
		{"EXISTS (SELECT WHERE " + a + " UNION ALL SELECT)", ""},
		{"(SELECT x WHERE " + a + ") IS NOT NULL", ""},
		{"pg_has_role('pg_monitor', 'MEMBER')", ""},
	} {
		db.Exec(t, "DROP POLICY IF EXISTS p ON t; CREATE POLICY p ON t USING ("+x.expr+")")
		look := view(t, db, &catalog.Model{})
		found := look.Relation(catalog.QName{Schema: "public", Name: "t"}).Policies[0].Using
		if got := strings.Join(policy.GateRoles(found), " "); got != x.want {
			t.Errorf("%s: %q, want %q", x.expr, got, x.want)
		}
	}
}

// A gate leaves the planner's estimate as it is: half of it, and an ordered index looks no better
// than sorting all rows of a tenant.
func TestGateKeepsEstimates(t *testing.T) {
	t.Parallel()
	pgtest.EachMajor(t, func(t *testing.T, c *pgtest.Cluster) {
		t.Parallel()
		db := c.New(t)
		app := db.AppRole(t)
		db.Exec(t, "CREATE TABLE t AS SELECT g FROM generate_series(1, 1000) g; ANALYZE t; GRANT SELECT ON t TO "+app+
			"; CREATE POLICY gate ON t USING ("+policy.HasRole([]string{app})+"); "+
			"ALTER TABLE t ENABLE ROW LEVEL SECURITY")
		var plan []struct {
			Plan struct {
				Rows int `json:"Plan Rows"`
			}
		}
		const explain = "EXPLAIN (FORMAT json) SELECT FROM t"
		if err := db.Conn(t, db.As(t, app)).QueryRow(t.Context(), explain).Scan(&plan); err != nil {
			t.Fatal(err)
		}
		if got := plan[0].Plan.Rows; got < 950 {
			t.Errorf("%d rows of 1,000 are expected behind the gate", got)
		}
	})
}
