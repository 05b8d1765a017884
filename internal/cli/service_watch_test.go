package cli

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moat-db/moat/internal/config"
	"github.com/moat-db/moat/internal/postgres"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/internal/printed"
)

// moat serve watches as the operator, without a console; its end is no event. Roles are
// watched too, so the server is its own: other tests make some.
func TestServeWatches(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestWatchFromAcceptingToDrift
	d, role := leadsDatabaseOn(t, pgtest.NewCluster(t, postgres.Options{}))
	state := filepath.Join(t.TempDir(), "state.json")
	if code, _, errs := command(t, "watch", "accept", "--state", state, "--reason", "a test", d.URL); code != exitOK {
		t.Fatal(errs)
	}
	c, err := config.Parse([]byte(strings.ReplaceAll(goodIssuer, "%s", write(t, "secret", strings.Repeat("k", 32))) +
		"\nportal: {paste_tokens: true}\nwatch: {state: [" + state + "]}"))
	if err != nil {
		t.Fatal(err)
	}
	c.Watch.Every = 100 * time.Millisecond
	var log printed.Output
	s, err := openService(t.Context(), &service{config: c, appURL: d.As(t, role), operatorURL: d.URL,
		log: slog.New(slog.NewTextHandler(&log, nil)), telemetry: measured()})
	if err != nil {
		t.Fatal(err)
	}
	shows := func(metric string) func() bool {
		return func() bool {
			w := httptest.NewRecorder()
			s.handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
			return strings.Contains(w.Body.String(), metric+"\n")
		}
	}
	until(t, "it looks", shows("moat_watch_up 1"))
	d.Exec(t, "CREATE TABLE app_extra (n int)")
	until(t, "it tells", shows("moat_watch_alarm 1"))
	d.Exec(t, "DROP TABLE app_extra")
	until(t, "it is well again", shows("moat_watch_alarm 0"))
	s.close()
	if text := log.String(); !strings.Contains(text, "event=drift") || !strings.Contains(text, "event=mended") ||
		strings.Contains(text, "event=blind") {
		t.Errorf("logged: %s", text)
	}
}
