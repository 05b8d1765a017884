package portal

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// An agency of 200 clients sees them all on one page, with the right sums. How long that takes
// is told; MOAT_TEST_LOAD is the number of leads (1000000 for the measurement).
func TestOverviewOfManyClients(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestAgencySeesItsClients
	leads := pgtest.Rounds(t, "MOAT_TEST_LOAD", 20_000, 4_000)
	w := newTree(t, func(c *Config) {
		c.Figures = []Figure{{Title: "Leads", Table: "app.leads"}, {Title: "Points", Table: "app.leads", Sum: "score"}}
	})
	w.db.Exec(t, fmt.Sprintf(`
		insert into app.tenants (id, parent_id, name) select ('00000000-0000-4000-8001-' || lpad(n::text, 12, '0'))::uuid,
			'%[1]s', 'Client ' || n from generate_series(1, 200) n;
		insert into moat.tenant_tree select t.id, t.id, 0 from app.tenants t where t.name like 'Client %%'
			union all select '%[1]s', t.id, 1 from app.tenants t where t.name like 'Client %%';
		insert into app.leads (tenant_id, id, name, score, created_at)
			select ('00000000-0000-4000-8001-' || lpad((1 + n %% 200)::text, 12, '0'))::uuid, n, 'Lead ' || n, 1,
				timestamptz '2026-01-05' - (n %% 360) * interval '1 day' from generate_series(1, %[2]d) n`, treeTenant("A"), leads))
	w.db.Exec(t, "vacuum analyze app.leads")
	agency := w.signedIn(treeTenant("A"))
	const path = "/clients?from=2025-12-07&to=2026-01-05" // 30 of the 360 days
	agency.get(path)
	var took []time.Duration
	for range 5 {
		start := time.Now()
		page := agency.get(path)
		took = append(took, time.Since(start).Round(time.Millisecond))
		if n := strings.Count(page.body, ">Client "); n != 195 { // a page lists 200; A and those of tree.sql come first
			t.Fatalf("%d clients are shown", n)
		}
	}
	t.Logf("%d leads of 200 clients: %v", leads, took)
	sum := 0
	for _, line := range strings.Split(agency.get("/clients/export?from=2025-12-07&to=2026-01-05").body, "\n") {
		var n int
		if fields := strings.Split(line, ","); strings.HasPrefix(line, "Client ") {
			fmt.Sscan(fields[2], &n)
			sum += n
		}
	}
	if want := inDays(leads, 30); sum != want {
		t.Errorf("the figures add up to %d leads, want %d", sum, want)
	}
}

// inDays is how many of n leads, spread over 360 days, are of the last days.
func inDays(n, days int) (count int) {
	for i := 1; i <= n; i++ {
		if i%360 < days {
			count++
		}
	}
	return count
}
