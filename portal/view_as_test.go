package portal

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// membersOnly has the orders shown to members of the account only.
const membersOnly = `
ALTER POLICY tenant_isolation ON shop."Order" USING (account_id = (SELECT m.account_id FROM shop.members m
	WHERE m.person = nullif(current_setting('app.subject', true), '')
	AND m.account_id = nullif(current_setting('app.current_tenant', true), '')::bigint));`

const theirIssuer = "https://clients.test"

func withoutKeys(t *testing.T) func(*Config) {
	return func(c *Config) {
		managed(t)(c)
		c.Keys = nil
	}
}

// Where the database asks who is a member, an operator looks through the eyes of one, who can
// read it; through nobody's there would be nothing to see.
func TestViewAsAMember(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestAgencySeesItsClients
	w := newOfficeWith(t, membersOnly, withoutKeys(t))
	desk := w.desk()
	view := func(member string) answer {
		return desk.do("POST", "/operator/tenants/1/view", url.Values{"reason": {"ticket 12"}, "member": {member}})
	}
	says(t, desk.get("/operator/tenants/1"), []string{`value="` + theirIssuer + ` vic"`, "to members only"},
		[]string{"particular", "bea"})
	for name, member := range map[string]string{"nobody": "", "another client's": theirIssuer + " bea",
		"another issuer's": "https://evil.test vic", "somebody": theirIssuer + " zoe"} {
		if a := view(member); a.status != http.StatusUnprocessableEntity {
			t.Errorf("the view of %s: %d", name, a.status)
		}
	}
	if a := view(theirIssuer + " vic"); a.status != http.StatusSeeOther {
		t.Fatal(a.status, a.body)
	}
	says(t, desk.get("/t/Order"), []string{"MARK-A", "a member of"}, []string{"MARK-B", "Make a link"})
	if a := desk.do("POST", "/t/Order/new", url.Values{"title": {"x"}}); a.status != http.StatusForbidden {
		t.Errorf("a look adds a row: %d", a.status)
	}
	ann := w.as("ann", "1", "", true)
	says(t, ann.get("/access"), []string{"viewed as a member of the client", "ticket 12"}, nil)
	// Who is no member any more shows nothing.
	w.db.Exec(t, "DELETE FROM shop.members WHERE person = 'vic'")
	if a := desk.get("/t/Order"); a.status != http.StatusForbidden || strings.Contains(a.body, "MARK") {
		t.Errorf("the view of who has left: %d", a.status)
	}
}

// Where tenants alone are asked for, an operator may still look as one member does.
func TestViewAsSomebodyOrNobody(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestViewAsAMember
	w := newOffice(t, withoutKeys(t))
	desk := w.desk()
	says(t, desk.get("/operator/tenants/1"), []string{"particular", theirIssuer + " vic"},
		[]string{"to members only", "Bea"})
	for _, member := range []string{"", theirIssuer + " vic"} {
		if a := desk.do("POST", "/operator/tenants/1/view", url.Values{"reason": {"ticket 12"},
			"member": {member}}); a.status != http.StatusSeeOther {
			t.Fatalf("%q: %d", member, a.status)
		}
		says(t, desk.get("/t/Order"), []string{"MARK-A"}, []string{"MARK-B"})
	}
}
