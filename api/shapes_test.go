package api_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/moat-db/moat/api"
)

// TestShapesAreShared asks with one shape for different rows as different tenants at
// the same time: nobody gets what another asked for.
func TestShapesAreShared(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	s.db.Exec(t, `INSERT INTO app.events (tenant_id, lead_id, kind, amount, at)
		SELECT l.tenant_id, l.id, l.tenant_id || ' ' || n, n, timestamptz '2024-01-01' FROM app.leads l, generate_series(1,
			40) n WHERE l.id = 1`)
	var clients sync.WaitGroup
	for worker := range 8 {
		clients.Go(func() {
			tenant := []string{tenantA, tenantB}[worker%2]
			for n := range 80 {
				n = n%40 + 1
				got := s.do(t, call{tenant: tenant,
					path: fmt.Sprintf("events?select=kind&lead_id=eq.1&amount=eq.%d&kind=not.is.null&order=id", n)})
				var rows []struct{ Kind string }
				if err := json.Unmarshal([]byte(got.Body), &rows); err != nil {
					t.Errorf("%d %s", got.Status, got.Body)
					return
				}
				if want := fmt.Sprintf("%s %d", tenant, n); len(rows) == 0 ||
					slices.ContainsFunc(rows, func(r struct{ Kind string }) bool { return len(r.Kind) > 36 && r.Kind != want }) {
					t.Errorf("asked for %q, got %s", want, got.Body)
				}
			}
		})
	}
	clients.Wait()
}

// A shape's second request must be told what is wrong with it as the first one is, and
// what decides about the answer besides the query string must not come from another.
func TestShapesAndTheirRequests(t *testing.T) {
	t.Parallel()
	s := serve(t, func(c *api.Config) { c.Limits.Query.Bytes = 400 })
	long := func(n int) string { return fmt.Sprintf("leads?select=id&name=eq.%0*d", n, 0) }
	for range 2 {
		checkAll(t, s, []expectation{
			{name: "good value", call: call{path: "leads?select=id&id=eq.1"}, body: `[{"id":1}]`},
			{name: "bad value", call: call{path: "leads?select=id&id=eq.x"}, status: 400, text: `"code":"22P02"`},
			{name: "no value", call: call{path: "leads?select=id&id=eq."}, status: 400, text: `"code":"22P02"`},
			{name: "zero byte", call: call{path: "leads?select=id&id=eq.%00"}, status: 400, text: `"code":"PGRST100"`},
			{name: "long enough", call: call{path: long(300)}, body: `[]`},
			{name: "too long", call: call{path: long(500)}, status: 414, text: "MOAT110"},
			{name: "unknown column", call: call{path: "leads?select=nothing&id=eq.1"}, status: 400, text: `"code":"42703"`},
			{name: "list", call: call{path: "leads?select=id&order=id&limit=2"}, body: `[{"id":1},{"id":2}]`},
			{name: "list by header", call: call{path: "leads?select=id&order=id", header: []string{"Range: 0-1"}},
				body: `[{"id":1},{"id":2}]`},
			{name: "another range", call: call{path: "leads?select=id&order=id", header: []string{"Range: 1-1"}},
				body: `[{"id":2}]`},
			{name: "object", call: call{path: "leads?select=id&id=eq.1",
				header: []string{"Accept: application/vnd.pgrst.object+json"}}, body: `{"id":1}`},
			{name: "csv", call: call{path: "leads?select=id&id=eq.1", header: []string{"Accept: text/csv"}}, text: "id\n1"},
			{name: "without a tenant", call: call{tenant: "none", path: "leads?select=id&id=eq.1"}, status: 403},
		})
	}
}
