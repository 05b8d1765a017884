package api_test

import (
	"strings"
	"testing"
	"time"

	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// Between a change of the schema and the next look at it, requests that name nothing
// that is gone are answered; those that do learn so.
func TestDroppedColumn(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestSchemaReload
	s := serve(t, nil)
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

// A write meets a change as a read does, and is done once: its statement failed as a whole.
// While the schema cannot be read again at once, no client is told of columns that it did
// not name.
func TestChangeUnderAWrite(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestDroppedColumn
	s := serve(t, nil)
	s.db.Exec(t, "ALTER TABLE app.labels ADD COLUMN one text, ADD COLUMN two text; NOTIFY pgrst")
	eventually(t, func() bool { return s.do(t, call{path: "labels?select=one"}).Status == 200 })
	insert := func(id string) response {
		return s.do(t, call{method: "POST", path: "labels", body: `{"id":` + id + `,"name":"x"}`,
			header: []string{"Prefer: return=representation"}})
	}
	s.db.Exec(t, "ALTER TABLE app.labels DROP COLUMN one")
	if got := insert("801"); got.Status != 201 || strings.Contains(got.Body, `"one"`) {
		t.Errorf("after DROP: %d %s", got.Status, got.Body)
	}
	s.handler.DelayRenewal(time.Hour) // as if it had just been read
	s.db.Exec(t, "ALTER TABLE app.labels DROP COLUMN two")
	for _, got := range []response{insert("802"), s.do(t, call{path: "labels?limit=1"})} {
		if got.Status != 503 || strings.Contains(got.Body, "two") || got.Header.Get("Retry-After") == "" {
			t.Errorf("right after another: %d %s", got.Status, got.Body)
		}
	}
	s.handler.DelayRenewal(-time.Hour)
	if got := insert("802"); got.Status != 201 {
		t.Errorf("a second later: %d %s", got.Status, got.Body)
	}
	if got := s.do(t, call{path: "labels?id=in.(801,802)&select=id&order=id"}); got.Body != `[{"id":801},{"id":802}]` {
		t.Errorf("rows: %s", got.Body)
	}
}

// A function that is broken by itself does not make the schema be read at each call.
func TestBrokenFunctionDoesNotReload(t *testing.T) {
	t.Parallel()
	db := database(t)
	db.Exec(t, "CREATE FUNCTION app.broken() RETURNS int LANGUAGE plpgsql STABLE AS $$ BEGIN RETURN (SELECT missing "+
		"FROM app.labels LIMIT 1); END $$")
	s := serveOn(t, db, nil)
	for range 20 {
		if got := s.do(t, call{path: "rpc/broken"}); got.Status != 400 || !strings.Contains(got.Body, "42703") {
			t.Fatalf("%d %s", got.Status, got.Body)
		}
	}
	if n := strings.Count(s.log.String(), "schema loaded"); n > 10 {
		t.Errorf("loaded %d times", n)
	}
}
