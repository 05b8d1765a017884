package portal

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// The console requests an erasure with a grace period, and takes it back; it never deletes.
func TestConsoleRequestsAnErasure(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: lifecycle's TestDueErasuresAreDone
	w := newWorld(t, nil)
	a, desk := w.signedIn("1"), w.desk()
	before := w.query(`select count(*)::text from shop."Order"`)
	page := desk.get("/operator/tenants/1/erasure")
	if page.status != http.StatusOK || !strings.Contains(page.body, "shop.Order") {
		t.Fatal(page.status, page.body)
	}
	ask := func(form url.Values) int { return desk.do("POST", "/operator/tenants/1/erasure", form).status }
	for what, form := range map[string]url.Values{"no reason": {"days": {"30"}}, "no grace": {"days": {"0"},
		"reason": {"left us"}},
		"a year and a day": {"days": {"366"}, "reason": {"left us"}}} {
		if got := ask(form); got != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d", what, got)
		}
	}
	if got := ask(url.Values{"days": {"30"}, "reason": {"the contract ended"}}); got != http.StatusSeeOther {
		t.Fatal(got)
	}
	if got := a.get("/t/Order"); got.status != http.StatusForbidden {
		t.Errorf("requested: the client is answered with %d", got.status)
	}
	if got := desk.get("/operator/tenants/1/erasure"); !strings.Contains(got.body, "Cancel the erasure") {
		t.Error("the page does not offer to cancel")
	}
	if got := desk.do("POST", "/operator/tenants/1/state", url.Values{"state": {"active"},
		"reason": {"a slip"}}); got.status != http.StatusConflict {
		t.Errorf("resumed by hand: %d", got.status)
	}
	if got := ask(url.Values{"erasure": {"cancel"}, "reason": {"they stay"}}); got != http.StatusSeeOther {
		t.Fatal(got)
	}
	if got := a.get("/t/Order"); got.status != http.StatusOK {
		t.Errorf("cancelled: the client is answered with %d", got.status)
	}
	if log := a.get("/access").body; !strings.Contains(log, "requested the tenant") || !strings.Contains(log,
		"they stay") {
		t.Error("the client cannot read who asked for its erasure, and why")
	}
	if after := w.query(`select count(*)::text from shop."Order"`); after != before {
		t.Errorf("%s rows of %s are left", after, before)
	}
}
