package api_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/api"
	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// statement is one that a connection has prepared.
type statement struct {
	Text string `json:"t"`
}

// oneConnection serves over a single connection, of which a superuser has made visible what
// it has prepared and what that takes.
func oneConnection(t *testing.T) *server {
	t.Helper()
	db := database(t)
	db.Exec(t, strings.ReplaceAll(`
		CREATE FUNCTION app.prepared_bytes() RETURNS bigint LANGUAGE sql VOLATILE SECURITY DEFINER AS
			$$ SELECT sum(total_bytes)::bigint FROM pg_backend_memory_contexts WHERE name LIKE 'CachedPlan%' $$;
		CREATE FUNCTION app.prepared_texts() RETURNS json LANGUAGE sql VOLATILE SECURITY DEFINER AS
			$$ SELECT json_agg(json_build_object('t', statement)) FROM pg_prepared_statements $$`, ":app", db.Roles["app"]))
	store, err := moat.Open(t.Context(), db.As(t, db.Roles["app"]), &moat.Options{ClaimsSetting: "request.jwt.claims",
		RoleSetting: "app.role", SubjectSetting: "app.subject", MaxConns: 1,
		ConfigurePool: api.ConfigurePool(3 * time.Second)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	return serveOn(t, db, func(c *api.Config) { c.DB = store })
}

// shape is a query that no other has the statement of: n makes it another one.
func shape(n, width, embeds int) string {
	var items []string
	for i := range width {
		items = append(items, fmt.Sprintf("u%dx%d:name", n, i))
	}
	for i := range embeds {
		const embed = "u%de%d:campaigns(a:name,b:name,c:name,leads(id,name,campaigns(id,leads(id))))"
		items = append(items, fmt.Sprintf(embed, n, i))
	}
	return "leads?limit=0&select=" + strings.Join(items, ",")
}

func (s *server) prepared(t *testing.T) (bytes int, texts []statement) {
	t.Helper()
	for path, into := range map[string]any{"rpc/prepared_bytes": &bytes, "rpc/prepared_texts": &texts} {
		got := s.do(t, call{method: "POST", path: path, body: "{}"})
		if err := json.Unmarshal([]byte(got.Body), into); err != nil {
			t.Fatalf("%s: %d %s", path, got.Status, got.Body)
		}
	}
	return bytes, texts
}

// The estimate is not far from what PostgreSQL says that prepared statements take, for
// narrow and wide ones: too low would not bound the memory, too high would drop them early.
func TestPreparedEstimate(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestPreparedIsBounded
	for _, w := range []struct{ width, embeds, times int }{{1, 0, 40}, {20, 0, 40}, {300, 0, 10}, {1, 1, 20},
		{20, 5, 10}} {
		t.Run(fmt.Sprintf("%d columns, %d embeds", w.width, w.embeds), func(t *testing.T) {
			t.Parallel()
			s := oneConnection(t)
			before, known := s.prepared(t)
			for n := range w.times {
				if got := s.do(t, call{path: shape(n, w.width, w.embeds)}); got.Status != 200 {
					t.Fatalf("%d %s", got.Status, got.Body)
				}
			}
			after, texts := s.prepared(t)
			estimate := 0
			for _, one := range texts {
				estimate += api.PreparedBytes(one.Text)
			}
			for _, one := range known {
				estimate -= api.PreparedBytes(one.Text)
			}
			if took := after - before; took > 3*estimate/2 || took < estimate/2 {
				t.Errorf("%d statements take %d bytes, estimated as %d", len(texts)-len(known), took, estimate)
			} else {
				t.Logf("%d statements take %d bytes, estimated as %d", len(texts)-len(known), took, estimate)
			}
		})
	}
}

// However many wide shapes are asked for, a connection's process stays small, and statements
// in use go on.
func TestPreparedIsBounded(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestGeneratedRequests
	s := oneConnection(t)
	most := 0
	for n := range 120 {
		if got := s.do(t, call{path: shape(n, 200, 5)}); got.Status != 200 {
			t.Fatalf("%d %s", got.Status, got.Body)
		}
		if n%10 == 9 {
			bytes, _ := s.prepared(t)
			most = max(most, bytes)
		}
	}
	if most > 32<<20 {
		t.Errorf("the prepared statements of one connection took %d bytes", most)
	}
	if most < 4<<20 {
		t.Errorf("only %d bytes: the shapes are not what they should be", most)
	}
}
