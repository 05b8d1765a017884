package portal

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// Each run of the proof is kept, with who made it and what came of it.
func TestHistoryOfTheProof(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestLookingAtAClientIsLogged
	w := newWorld(t, nil)
	desk := w.desk()
	for range 2 {
		if a := desk.do("POST", "/operator/isolation/prove", nil); a.status != http.StatusSeeOther {
			t.Fatalf("start: %d", a.status)
		}
		for end := time.Now().Add(5 * time.Minute); ; time.Sleep(200 * time.Millisecond) {
			if desk.get("/operator/isolation/prove").header.Get("HX-Refresh") == "true" {
				break
			}
			if time.Now().After(end) {
				t.Fatal("the run does not end")
			}
		}
	}
	page := desk.get("/operator/isolation").body
	if !strings.Contains(page, "History: 2 runs") || strings.Count(page, "<td>olga</td>") != 2 {
		t.Errorf("the runs are not listed:\n%s", between(page, `id="prove"`, "</section>"))
	}
	w.portal.Close()
}
