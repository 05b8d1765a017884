package cli

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/prove"
	"github.com/moat-db/moat/watch"
)

// The order of an operator's day: accept, look, drift, announce, accept again. Other tests
// make roles on the same cluster, which is drift too: the test runs alone.
func TestWatchFromAcceptingToDrift(t *testing.T) {
	pgtest.Full(t) // short: watch.TestEachDriftIsFoundAtTheNextLook
	f := fixture(t, "V07")
	state := filepath.Join(t.TempDir(), "state.json")
	once := func(want int, has ...string) {
		t.Helper()
		code, out, errs := command(t, "watch", "--once", "--state", state, f.URL)
		for _, text := range has {
			if !strings.Contains(out+errs, text) {
				t.Errorf("nothing of %q in %s%s", text, out, errs)
			}
		}
		if code != want {
			t.Errorf("exit code %d, want %d: %s%s", code, want, out, errs)
		}
	}
	accept := func() string {
		t.Helper()
		code, out, errs := command(t, "watch", "accept", "--state", state, "--reason", "a test", f.URL)
		if code != exitOK || !strings.Contains(errs, " facts of ") {
			t.Fatalf("exit code %d: %s%s", code, out, errs)
		}
		return out
	}
	once(exitError, "no state", "hint: moat watch accept")
	accept()
	once(exitOK)
	var told watch.Event
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if err := json.NewDecoder(r.Body).Decode(&told); err != nil {
			t.Error(err)
		}
	}))
	defer hook.Close()
	t.Setenv(webhookVariable, hook.URL)
	f.Exec(t, "ALTER TABLE app.doc DISABLE ROW LEVEL SECURITY")
	once(exitFound, "! table app.doc: owner ", "→", "row-level security off")
	if told.Kind != "drift" || len(told.Drift) != 1 || told.Drift[0].Fact != "table app.doc" {
		t.Errorf("the webhook was told %+v", told)
	}
	code, _, errs := command(t, "watch", "announce", "--for", "1h", "--reason", "a test", "--state", state)
	if code != exitOK {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	once(exitOK, "as announced")
	if out := accept(); !strings.Contains(out, "! table app.doc") {
		t.Errorf("accepting says %q", out)
	}
	once(exitOK)
}

func TestWatchUsageErrorsExit2(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"needs a reason":        {"watch", "accept", "postgres:///x"},
		"has an end":            {"watch", "announce", "--reason", "x"},
		"no time of day":        {"watch", "--prove-at", "noon", "postgres:///x"},
		"several states are":    {"watch", "accept", "--reason", "x", "--state", "a", "--state", "b", "postgres:///x"},
		"no state of the isola": {"watch", "--once", "--state", "nowhere.json", "postgres://127.0.0.1:1/x"},
	} {
		if code, out, errs := command(t, args...); code != exitError || out != "" || !strings.Contains(errs, want) {
			t.Errorf("%v: exit code %d: %s%s", args, code, out, errs)
		}
	}
}

func TestNightlyIsAtTheSameTimeEachDay(t *testing.T) {
	t.Parallel()
	three := 3 * time.Hour
	for now, want := range map[string]time.Duration{"02:00": time.Hour, "03:00": 24 * time.Hour, "03:01": 24*time.Hour -
		time.Minute} {
		at, err := time.Parse("15:04", now)
		if err != nil {
			t.Fatal(err)
		}
		if got := nextDaily(at, three); got != want {
			t.Errorf("at %s it is %s to 03:00, want %s", now, got, want)
		}
	}
}

// Whoever watches several databases is told which of them was proved, or could not be.
func TestNightlySaysWhichDatabase(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]error{"moat prove of shop: ": nil,
		"moat prove of shop could not run: no server": errors.New("no server")} {
		var told watch.Event
		n := &nightly{
			prove:    func(context.Context) (*prove.Report, error) { return &prove.Report{}, err },
			database: func() string { return "shop" },
			tell:     func(_ context.Context, e watch.Event) { told = e },
		}
		n.once(t.Context())
		if told.Kind != "proved" || told.Database != "shop" || !strings.HasPrefix(told.Text, want) {
			t.Errorf("told %+v, want %q", told, want)
		}
	}
}
