package api_test

import (
	"strings"
	"testing"
	"time"

	"github.com/moat-db/moat/api"
)

// Between a change of the schema and the next look at it, requests that name nothing
// that is gone are answered; those that do learn so.
func TestDroppedColumn(t *testing.T) {
	t.Parallel()
	s := serve(t, func(c *api.Config) { c.PollInterval = time.Hour })
	s.db.Exec(t, "ALTER TABLE app.labels ADD COLUMN shade text; NOTIFY pgrst")
	eventually(t, func() bool { return s.do(t, call{path: "labels?select=shade"}).Status == 200 })
	s.db.Exec(t, "ALTER TABLE app.labels RENAME COLUMN shade TO tint")
	if got := s.do(t, call{path: "labels?limit=1"}); got.Status != 200 || !strings.Contains(got.Body, `"tint"`) {
		t.Errorf("after RENAME: %d %s", got.Status, got.Body)
	}
	time.Sleep(1100 * time.Millisecond) // one look a second
	s.db.Exec(t, "ALTER TABLE app.labels DROP COLUMN tint")
	if got := s.do(t, call{path: "labels?select=tint"}); got.Status != 400 || !strings.Contains(got.Body, "42703") {
		t.Errorf("a column that is gone: %d %s", got.Status, got.Body)
	}
	if got := s.do(t, call{path: "labels?limit=1"}); got.Status != 200 || strings.Contains(got.Body, "tint") {
		t.Errorf("after DROP: %d %s", got.Status, got.Body)
	}
}

// A function that is broken by itself does not make the schema be read at each call.
func TestBrokenFunctionDoesNotReload(t *testing.T) {
	t.Parallel()
	db := database(t)
	db.Exec(t, "CREATE FUNCTION app.broken() RETURNS int LANGUAGE plpgsql STABLE AS $$ BEGIN RETURN (SELECT missing "+
		"FROM app.labels LIMIT 1); END $$")
	s := serveOn(t, db, func(c *api.Config) { c.PollInterval = time.Hour })
	for range 20 {
		if got := s.do(t, call{path: "rpc/broken"}); got.Status != 400 || !strings.Contains(got.Body, "42703") {
			t.Fatalf("%d %s", got.Status, got.Body)
		}
	}
	if n := strings.Count(s.log.String(), "schema loaded"); n > 10 {
		t.Errorf("loaded %d times", n)
	}
}
