package portal

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/internal/serving"
)

// A file of many rows takes longer than a page may, and more than an answer may have of the
// memory; what is more than a file holds is refused, and the page says how much that is.
func TestExportOfManyRows(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestYourData
	w := newWorld(t, func(c *Config) {
		c.Timeout = time.Millisecond
		c.Gate = serving.NewGate(4, serving.Limits{AnswerBytes: 100 << 10})
	})
	w.db.Exec(t, `INSERT INTO shop.visits SELECT a, now() - n * interval '1 minute', 'page ' || n
		FROM generate_series(1, 2) a, generate_series(1, CASE a WHEN 1 THEN 30000 ELSE 100001 END) n`)
	a, b := w.signedIn("1"), w.signedIn("2")
	got := a.get("/t/visits/export", "Accept-Encoding", "identity")
	if rows := strings.Count(got.body, "\n"); got.status != http.StatusOK || rows != 1+5+30_000 ||
		got.header.Get("Content-Length") == "" {
		t.Errorf("%d with %d rows and %v", got.status, rows, got.header)
	}
	got = b.get("/t/visits/export")
	says(t, got, []string{"up to 100,000 rows"}, []string{"page 7"})
	if got.status != http.StatusRequestEntityTooLarge || got.header.Get("Content-Disposition") != "" {
		t.Errorf("more than a file holds: %d, %v", got.status, got.header)
	}
	if got := b.get("/t/visits/export?" + url.Values{"f.page.has": {"page 99"}}.Encode()); got.status != 200 {
		t.Errorf("a part of it: %d", got.status)
	}
}
