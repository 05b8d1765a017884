package api_test

import (
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/moat-db/moat/api"
	"github.com/moat-db/moat/api/internal/fuzzquery"
	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// TestGeneratedRequests executes generated requests: none may end as a 500, none may
// show a row of the other tenant, none may name what is not exposed.
// MOAT_FUZZ_REQUESTS sets how many, 3,000 by default; MOAT_FUZZ_SEED which ones.
func TestGeneratedRequests(t *testing.T) {
	t.Parallel()
	n, seed := pgtest.Rounds(t, "MOAT_FUZZ_REQUESTS", 3000, 1000), number(t, "MOAT_FUZZ_SEED", 4)
	db := database(t)
	db.Exec(t, strings.ReplaceAll(hues+handlers, ":app", db.Roles["app"]))
	s := serveOn(t, db, func(c *api.Config) {
		c.AllowExplain, c.AllowRollback, c.RequestSettings, c.SearchPath = true, true, true, []string{"public"}
	})
	g := &fuzzquery.Generator{Rand: rand.New(rand.NewPCG(3, uint64(seed))), Tables: map[string][]string{
		"leads": {"id", "name", "status", "score", "tags", "details", "ages", "active_during", "search", "created_at",
			"home", "shout", "tenant_id", "email", "avatar"},
		"campaigns": {"id", "name", "budget", "active", "starts"}, "events": {"id", "lead_id", "kind", "at"},
		"labels": {"id", "name", "color"}, "lead_labels": {"lead_id", "label_id"}, "countries": {"code", "name"},
		"tenants":   {"id", "name"},
		"won_leads": {"id", "name"}, "transfers": {"id", "from_lead"}, "rpc/leads_with": {"s", "id"}, "rpc/numbers": {"upto"},
		"rpc/totals": {"n"}, "rpc/page": {"x"}, "rpc/anything": {"x"},
	}, Related: []string{"campaigns", "leads", "events", "labels", "countries", "tenants", "lead_notes", "recent_events",
		"transfers_from"},
		Media: []string{"text/x-names", "text/x-any", "text/html", "image/x-bits"}}
	statuses := map[int]int{}
	for range n {
		table := g.Table()
		c := call{path: table + "?" + g.Query(table)}
		switch g.Rand.IntN(15) {
		case 0:
			c.header = []string{"Accept: text/csv"}
		case 1:
			c.header = []string{"Accept: application/vnd.pgrst.object+json"}
		case 2:
			c.header = []string{"Prefer: count=" + []string{"exact", "planned", "estimated"}[g.Rand.IntN(3)]}
		case 3:
			c.method, c.header = "DELETE", []string{"Prefer: tx=rollback, return=representation"}
		case 4:
			c.method, c.body, c.header = "PATCH", `{"name":"x"}`, []string{"Prefer: tx=rollback, return=representation"}
		case 5:
			c.method, c.body, c.header = "POST", `[{"name":"x","id":5}]`,
				[]string{"Prefer: tx=rollback, return=representation, resolution=merge-duplicates"}
		case 7, 8, 9:
			c.header = []string{g.Header()}
		case 10:
			c.method, c.body = "PATCH", `{"name":"x","color":"#00000a"}`
			c.header = []string{"Prefer: tx=rollback, return=representation", "Accept: " + g.Media[g.Rand.IntN(len(g.Media))]}
		case 6:
			c.header = []string{"Accept: application/vnd.pgrst.array+json;nulls=stripped"}
		}
		got, ok := s.try(t, c)
		if !ok {
			continue // not a request that a client could send
		}
		statuses[got.Status]++
		if got.Status >= 500 {
			t.Errorf("%s %s: %d %s\n%s", c.method, c.path, got.Status, got.Body, s.lastLog())
		}
		for _, foreign := range []string{"Bruno", "bruno@", "Bianca", "secret of B", "label of B", "Birch", "of B"} {
			if strings.Contains(got.Body, foreign) {
				t.Errorf("%s %s shows %q: %s", c.method, c.path, foreign, got.Body)
			}
		}
	}
	t.Logf("statuses: %v", statuses)
	if statuses[200] < n/20 {
		t.Errorf("only %d of %d requests were answered with rows: %v", statuses[200], n, statuses)
	}
}

// number is what an environment variable says, or else what is given.
func number(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// try is do for a request that may be malformed on the way to the server.
func (s *server) try(t *testing.T, c call) (response, bool) {
	t.Helper()
	if strings.ContainsFunc(c.path, func(r rune) bool { return r < 0x21 || r == 0x7f || r == '#' }) {
		return response{}, false
	}
	if _, err := http.NewRequest(http.MethodGet, s.URL+"/rest/v1/"+c.path, nil); err != nil {
		return response{}, false
	}
	return s.do(t, c), true
}

// lastLog is the last line of the log.
func (s *server) lastLog() string {
	lines := strings.Split(strings.TrimSpace(s.log.String()), "\n")
	return lines[len(lines)-1]
}
