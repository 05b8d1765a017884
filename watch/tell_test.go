package watch_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/moat-db/moat/internal/metertest"
	"github.com/moat-db/moat/watch"
)

func TestWebhookTriesAgainAndKeepsItsSecret(t *testing.T) {
	t.Parallel()
	var got []watch.Event
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var e watch.Event
		if err := json.NewDecoder(r.Body).Decode(&e); err != nil {
			t.Error(err)
		}
		if got = append(got, e); len(got) < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	hook := watch.Webhook{URL: server.URL + "/secret", Pause: time.Millisecond}
	e := watch.Event{Kind: "drift", Text: "drifted", Look: watch.Look{Drift: []watch.Drift{{Fact: "table a", After: "x"}}}}
	err := hook.Send(t.Context(), e)
	if err != nil || len(got) != 3 || got[2].Drift[0] != e.Drift[0] || got[2].Text != e.Text {
		t.Errorf("got %v, %v", got, err)
	}
	server.Close()
	if err := hook.Send(t.Context(), e); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v", err)
	}
}

func TestMetricsSayWhatTheLastLookFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var meter metertest.Meter
	w.watcher.Measure(&meter)
	if got := meter.Values(); len(got) != 0 {
		t.Errorf("before the first look: %v", got)
	}
	w.do("ALTER TABLE app.leads DISABLE ROW LEVEL SECURITY")
	w.tick()
	got := meter.Values()
	if got["moat_watch_alarm"] != 1 || got["moat_watch_up"] != 1 || got["moat_watch_drift"] < 1 ||
		got["moat_watch_last_look_timestamp_seconds"] == 0 {
		t.Errorf("after drift: %v", got)
	}
	w.watcher.States = func() ([]*watch.State, error) { return nil, nil }
	w.tick()
	if got := meter.Values(); got["moat_watch_alarm"] != 1 || got["moat_watch_up"] != 0 {
		t.Errorf("blind: %v", got)
	}
}
