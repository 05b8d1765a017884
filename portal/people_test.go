package portal

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/auth"
	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/apikey"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/internal/serving"
	"github.com/moat-db/moat/portal/internal/people"
)

// newPeople is the office, where members are asked for and managed.
func newPeople(t *testing.T) *world {
	t.Helper()
	return newOffice(t, managed(t))
}

func managed(t *testing.T) func(*Config) {
	return func(c *Config) {
		c.Sessions, c.SessionKey, c.People = c.Operator.Pool, []byte("the key of this test's sessions"), &People{}
		c.Keys = c.Operator.Pool
		c.Verifier = verifier(t, clientSecret, "https://clients.test", true)
		c.Door = serving.NewDoor(c.DB, serving.Admission{Membership: serving.Membership{
			Table: catalog.QName{Schema: "shop", Name: "members"}, Subject: "person", Tenant: "account_id", Role: "role",
			Issuer: "issuer"}})
	}
}

// as is somebody by subject, with an address that the issuer has verified or not.
func (w *world) as(subject string, tenant moat.Tenant, email string, verified any) *visitor {
	w.t.Helper()
	v := w.visitor()
	if a := v.do("POST", "/sign-in", url.Values{"token": {w.tokenOf(subject, tenant, email, verified)}}); a.status != 303 {
		w.t.Fatalf("sign-in as %s: %d", subject, a.status)
	}
	return v
}

func (w *world) tokenOf(subject string, tenant moat.Tenant, email string, verified any) string {
	w.t.Helper()
	claims, err := json.Marshal(map[string]any{"email": email, "email_verified": verified, "name": "Name of " + subject})
	must(w.t, err)
	token, err := w.client.Sign(auth.Identity{Tenant: tenant, Subject: subject, Claims: claims}, time.Hour)
	must(w.t, err)
	return token
}

const membership = `select coalesce(string_agg(account_id || person || ':' || role, ' '
	order by account_id, person), '')
	from shop.members`

func TestMembers(t *testing.T) {
	t.Parallel()
	w := newPeople(t)
	ann, adam, vic := w.as("ann", "1", "", true), w.as("adam", "1", "", true), w.as("vic", "1", "", true)
	page := ann.get("/people").body
	if !strings.Contains(page, "adam") || strings.Contains(page, "bea") || !strings.Contains(page, "Make a link") {
		t.Error("the owner does not see the members, or sees another's")
	}
	if body := vic.get("/people").body; strings.Contains(body, "Make a link") || strings.Contains(body, "Remove") {
		t.Error("a viewer is offered to change members")
	}
	before := w.query(membership)
	post := func(v *visitor, path string, pairs ...string) int {
		form := url.Values{"issuer": {"https://clients.test"}}
		for i := 0; i+1 < len(pairs); i += 2 {
			form.Set(pairs[i], pairs[i+1])
		}
		return v.do("POST", path, form).status
	}
	for name, got := range map[string]int{
		"a viewer promotes itself":        post(vic, "/people/role", "person", "vic", "role", "owner"),
		"a viewer removes":                post(vic, "/people/remove", "person", "ann"),
		"a viewer invites":                post(vic, "/people/invite", "email", "x@x.example", "role", "viewer"),
		"an admin promotes itself":        post(adam, "/people/role", "person", "adam", "role", "owner"),
		"an admin demotes the owner":      post(adam, "/people/role", "person", "ann", "role", "viewer"),
		"an admin removes the owner":      post(adam, "/people/remove", "person", "ann"),
		"an admin invites an owner":       post(adam, "/people/invite", "email", "x@x.example", "role", "owner"),
		"the last owner leaves":           post(ann, "/people/remove", "person", "ann"),
		"the last owner steps down":       post(ann, "/people/role", "person", "ann", "role", "admin"),
		"another tenant's member":         post(ann, "/people/remove", "person", "bea"),
		"another tenant in the form":      post(ann, "/people/remove", "person", "bea", "tenant", "2", "account_id", "2"),
		"nobody":                          post(ann, "/people/role", "person", "zoe", "role", "viewer"),
		"no role":                         post(ann, "/people/role", "person", "vic", "role", ""),
		"a role that is none":             post(ann, "/people/role", "person", "vic", "role", "superuser"),
		"another issuer's namesake":       post(ann, "/people/remove", "person", "vic", "issuer", "https://evil.test"),
		"a withdrawal of no kind":         post(ann, "/people/withdraw", "id", "' or true --"),
		"an address that is none":         post(ann, "/people/invite", "email", "x", "role", "viewer"),
		"two addresses":                   post(ann, "/people/invite", "email", "a@x.example, b@x.example", "role", "viewer"),
		"an invitation to a role of none": post(ann, "/people/invite", "email", "x@x.example", "role", "superuser"),
	} {
		if got < 400 || got >= 500 {
			t.Errorf("%s: %d", name, got)
		}
	}
	if a := ann.do("POST", "/people/remove", url.Values{"person": {"vic"}, "issuer": {"https://clients.test"}}, "Origin",
		"https://evil.example"); a.status != http.StatusForbidden {
		t.Errorf("a forged form: %d", a.status)
	}
	if now := w.query(membership); now != before {
		t.Fatalf("members are %s", now)
	}
	if n := w.query("select count(*)::text from moat.invitation"); n != "0" {
		t.Errorf("%s invitations", n)
	}
	if post(ann, "/people/role", "person", "vic", "role", "member") != 303 || post(adam, "/people/remove", "person",
		"vic") != 303 {
		t.Error("an owner cannot change a role, or an admin not remove a member")
	}
	if now := w.query(membership); now != "1adam:admin 1ann:owner 2bea:owner" {
		t.Errorf("members are %s", now)
	}
	if a := vic.get("/dashboard"); a.status != http.StatusForbidden {
		t.Errorf("who was removed still sees the account: %d", a.status)
	}
}

// An invitation is accepted by who has its link and a verified address, once, and by nobody
// else; the membership is that of the invited tenant.
func TestInvitations(t *testing.T) {
	t.Parallel()
	w := newPeople(t)
	ann := w.as("ann", "1", "", true)
	invite := func(by *visitor, email, role string) string {
		a := by.do("POST", "/people/invite", url.Values{"email": {email}, "role": {role}})
		_, path, ok := strings.Cut(between(a.body, `<pre id="link">`, "</pre>"), "/portal")
		if !ok {
			t.Fatalf("no link: %d", a.status)
		}
		return path
	}
	link := invite(ann, "New@Client.example", "viewer")
	before := w.query(membership)
	come := func(subject, email string, verified any) (*visitor, answer) {
		v := w.visitor()
		v.get(link)
		v.do("POST", "/sign-in", url.Values{"token": {w.tokenOf(subject, "", email, verified)}})
		return v, v.do("POST", link, nil)
	}
	for name, got := range map[string]func() (*visitor, answer){
		"another address":    func() (*visitor, answer) { return come("eve", "eve@client.example", true) },
		"not verified":       func() (*visitor, answer) { return come("eve", "new@client.example", false) },
		"verified is a word": func() (*visitor, answer) { return come("eve", "new@client.example", "yes") },
		"nothing about it":   func() (*visitor, answer) { return come("eve", "new@client.example", nil) },
		"no subject":         func() (*visitor, answer) { return come("", "new@client.example", true) },
		"a look-alike":       func() (*visitor, answer) { return come("eve", "new@client.example.evil.test", true) },
	} {
		_, a := got()
		if a.status < 300 || a.status == 303 && !strings.Contains(a.header.Get("Location"), "sign-in") ||
			w.query(membership) != before {
			t.Errorf("%s: %d %s", name, a.status, a.header.Get("Location"))
		}
	}
	v, accepted := come("newbie", "NEW@client.example", true)
	const after = "1adam:admin 1ann:owner 1newbie:viewer 1vic:viewer 2bea:owner"
	if accepted.status != 303 || w.query(membership) != after {
		t.Fatalf("accepting: %d, members %s", accepted.status, w.query(membership))
	}
	if a := v.get("/dashboard"); a.status != 200 || !strings.Contains(a.body, "MARK-A") {
		t.Errorf("the new member sees %d", a.status)
	}
	bea := w.visitor()
	bea.do("POST", "/sign-in", url.Values{"token": {w.tokenOf("bea", "2", "bea@client.example", true)}})
	if a := bea.do("POST", invite(ann, "bea@client.example", "viewer"), nil); a.status != 200 ||
		!strings.Contains(a.body, "You have joined") || !strings.Contains(w.query(membership), "1bea:viewer") {
		t.Errorf("who is signed in to another account: %d, members %s", a.status, w.query(membership))
	}
	w.db.Exec(t, "delete from shop.members where account_id = 1 and person = 'bea'")
	if _, again := come("second", "new@client.example", true); again.status != http.StatusNotFound {
		t.Errorf("a used link: %d", again.status)
	}
	// Withdrawn, and by an admin who is none any more.
	link = invite(ann, "new2@client.example", "viewer")
	id := w.query("select id::text from moat.invitation")
	if a := w.as("bea", "2", "", true).do("POST", "/people/withdraw", url.Values{"id": {id}}); a.status != 303 ||
		w.query("select count(*)::text from moat.invitation") != "1" {
		t.Errorf("another tenant's admin withdraws it: %d", a.status)
	}
	ann.do("POST", "/people/withdraw", url.Values{"id": {id}})
	if _, a := come("late", "new2@client.example", true); a.status != http.StatusNotFound {
		t.Errorf("a withdrawn link: %d", a.status)
	}
	link = invite(w.as("adam", "1", "", true), "new3@client.example", "admin")
	ann.do("POST", "/people/role", url.Values{"person": {"adam"}, "issuer": {"https://clients.test"}, "role": {"member"}})
	if _, a := come("late", "new3@client.example", true); a.status != http.StatusNotFound {
		t.Errorf("the link of who is no admin any more: %d", a.status)
	}
	link = invite(ann, "new4@client.example", "viewer")
	w.db.Exec(t, "update moat.invitation set expires = now()")
	if _, a := come("late", "new4@client.example", true); a.status != http.StatusNotFound {
		t.Errorf("an old link: %d", a.status)
	}
	if got := w.query("select encode(code, 'escape') from moat.invitation limit 1"); strings.Contains(link, got) {
		t.Error("the table holds the link")
	}
}

// An operator invites the first admin of a client, and nobody else: as soon as there is one, neither
// does the console invite, nor does a link of the operator's open anything.
func TestFirstInvitation(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestInvitations
	w := newOffice(t, func(c *Config) { managed(t)(c); c.Keys = nil })
	desk := w.desk()
	invite := func(tenant, email string) (string, int) {
		a := desk.do("POST", "/operator/tenants/"+tenant+"/invite", url.Values{"email": {email}, "reason": {"a new client"}})
		_, path, _ := strings.Cut(between(a.body, `<pre id="link">`, "</pre>"), "/portal")
		return path, a.status
	}
	accept := func(link, subject, email string) int {
		v := w.visitor()
		v.get(link)
		v.do("POST", "/sign-in", url.Values{"token": {w.tokenOf(subject, "", email, true)}})
		return v.do("POST", link, nil).status
	}
	const offer = "Invite the first admin"
	page := desk.get("/operator/tenants/2")
	if _, status := invite("2", "x@client.example"); status != http.StatusConflict || page.status != http.StatusOK ||
		strings.Contains(page.body, offer) {
		t.Errorf("a client with an admin: %d, page %d", status, page.status)
	}
	w.db.Exec(t, "update shop.members set role = 'viewer' where account_id = 2")
	if !strings.Contains(desk.get("/operator/tenants/2").body, offer) {
		t.Error("a client without an admin: the console does not offer to invite one")
	}
	if _, status := invite("2", "Bo <bo@client.example>"); status != http.StatusUnprocessableEntity {
		t.Errorf("not an address: %d", status)
	}
	if _, status := invite("99", "bo@client.example"); status != http.StatusNotFound {
		t.Errorf("no such client: %d", status)
	}
	late, _ := invite("2", "late@client.example")
	first, _ := invite("2", "bo@client.example")
	if got := accept(first, "eve", "eve@client.example"); got != http.StatusNotFound {
		t.Errorf("another address: %d", got)
	}
	if got := accept(late, "lou", "late@client.example"); got != http.StatusNotFound {
		t.Errorf("a link that another one has replaced: %d, %s", got, w.query(membership))
	}
	if got := accept(first, "bo", "bo@client.example"); got != 303 || !strings.Contains(w.query(membership), "2bo:owner") {
		t.Errorf("the first admin: %d, %s", got, w.query(membership))
	}
	if _, status := invite("2", "second@client.example"); status != http.StatusConflict {
		t.Errorf("a second one: %d", status)
	}
	w.db.Exec(t, "update shop.members set role = 'viewer' where account_id = 2")
	third, _ := invite("2", "lou@client.example")
	w.db.Exec(t, "update shop.members set role = 'owner' where person = 'bea'")
	if got := accept(third, "lou", "lou@client.example"); got != http.StatusNotFound {
		t.Errorf("an operator's link where there is an admin: %d, %s", got, w.query(membership))
	}
	if log := desk.get("/operator/log").body; !strings.Contains(log, "invited the first admin") {
		t.Error("the log does not have it")
	}
}

// The application role can neither read invitations nor change members, whatever it sets.
func TestApplicationCannotChangeMembers(t *testing.T) {
	t.Parallel()
	w := newPeople(t)
	before := w.query(membership)
	ctx := moat.WithScope(t.Context(), moat.Scope{Tenant: "1", Subject: "ann", Role: "owner"})
	for _, sql := range []string{
		"select moat.people_change('1', 'https://clients.test', 'ann', 'https://clients.test', 'vic', 'owner')",
		"select moat.people_invite('1', 'https://clients.test', 'ann', 'x@x.example', 'owner', '\\x00', now())",
		"select moat.people_invite_first('9', 'x@x.example', 'owner', '\\x00', now())", "select moat.people_led('1')",
		"select moat.people_accept('\\x00', 'i', 's', 'e', 'n')", "select * from moat.invitation",
		"insert into shop.members values (1, 'bea', 'https://clients.test', 'owner')",
		"update shop.members set role = 'owner'", "delete from shop.members"} {
		if _, err := w.config.DB.Exec(ctx, sql); err == nil {
			t.Errorf("the application role may: %s", sql)
		}
	}
	if w.query(membership) != before {
		t.Error("members have changed")
	}
	// What an administrator made with moat tenant setup is what the server wants.
	w.db.Exec(t, "drop table moat.invitation cascade; drop function moat.people_accept")
	view, err := w.config.Source(t.Context())
	must(t, err)
	sql, err := PeopleSQL(view, People{}, append(view.Model.Roles, view.Snapshot.User), w.config.Sessions.Config().
		ConnConfig.User)
	must(t, err)
	w.db.Exec(t, sql)
	w.portal.people.Admin = w.config.Operator.Pool.Config().ConnConfig // who may not
	if err := w.portal.Prepare(t.Context()); err != nil {
		t.Errorf("after the setup: %v", err)
	}
	w.db.Exec(t, "comment on function moat.people_accept(bytea, text, text, text, text) is 'of another version'")
	if err := w.portal.Prepare(t.Context()); !errors.As(err, new(*PeopleNotPreparedError)) {
		t.Errorf("with functions of another version: %v", err)
	}
	w.db.Exec(t, sql)
	w.db.Exec(t, "grant execute on function moat.people_accept(bytea, text, text, text, text) to public")
	if err := w.portal.Prepare(t.Context()); err == nil || !strings.Contains(err.Error(), "may invite") {
		t.Errorf("with the right to it the portal starts: %v", err)
	}
}

// Two owners who remove each other at once do not leave nobody.
func TestLastAdminStaysInARace(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestMembers
	w := newPeople(t)
	w.db.Exec(t, "update shop.members set role = 'owner' where person = 'adam'")
	who := func(s string) people.Person { return people.Person{Issuer: "https://clients.test", Subject: s} }
	for range 10 {
		var both sync.WaitGroup
		errs := make([]error, 2)
		for i, pair := range [][2]string{{"ann", "adam"}, {"adam", "ann"}} {
			both.Go(func() { errs[i] = w.portal.people.Change(t.Context(), "1", who(pair[0]), who(pair[1]), "") })
		}
		both.Wait()
		if (errs[0] == nil) == (errs[1] == nil) || !errors.Is(errors.Join(errs...), people.ErrNotAdmin) {
			t.Fatalf("both: %v", errs)
		}
		if n := w.query("select count(*)::text from shop.members where account_id = 1 and role = 'owner'"); n != "1" {
			t.Fatalf("%s owners are left", n)
		}
		w.db.Exec(t, `delete from shop.members where account_id = 1 and role = 'owner'; insert into shop.members values
			(1, 'ann', 'https://clients.test', 'owner'), (1, 'adam', 'https://clients.test', 'owner')`)
	}
}

// Keys and sessions are one's own: made, listed and ended, and nobody else's.
func TestOwnKeysAndSessions(t *testing.T) {
	t.Parallel()
	w := newPeople(t)
	var role string
	must(t, w.config.Keys.QueryRow(t.Context(), "select current_user::text").Scan(&role))
	w.db.Exec(t, apikey.Install(role))
	ann, vic := w.as("ann", "1", "", true), w.as("vic", "1", "", true)
	made := ann.do("POST", "/keys", url.Values{"name": {"import"}, "role": {"owner"}, "tenant": {"2"}})
	secret := between(made.body, `<pre id="secret">`, "</pre>")
	id, err := apikey.Verify(t.Context(), w.config.Keys, secret)
	if must(t, err); id.Tenant != "1" || id.Key.Maker != "ann" || id.Role != "owner" {
		t.Errorf("the key is %+v", id)
	}
	if strings.Contains(ann.get("/keys").body, secret) || !strings.Contains(ann.get("/keys").body, "import") ||
		strings.Contains(vic.get("/keys").body, "import") {
		t.Error("a key is shown again, not listed, or listed to another")
	}
	if a := vic.do("POST", "/keys/revoke", url.Values{"id": {id.Key.ID}}); a.status != http.StatusNotFound {
		t.Errorf("another revokes it: %d", a.status)
	}
	if a := ann.do("POST", "/keys", url.Values{"name": {"old"}, "expires": {"2020-01-01"}}); a.status != 422 {
		t.Errorf("a key that has ended: %d", a.status)
	}
	if a := ann.do("POST", "/keys/revoke", url.Values{"id": {id.Key.ID}}); a.status != http.StatusSeeOther {
		t.Errorf("its owner revokes it: %d", a.status)
	}
	if _, err := apikey.Verify(t.Context(), w.config.Keys, secret); err == nil {
		t.Error("a revoked key works")
	}
	// An operator ends one of the client of the address, and of no other.
	desk, second := w.desk(), between(ann.do("POST", "/keys", url.Values{"name": {"sync"}}).body, `<pre id="secret">`,
		"</pre>")
	if id, err = apikey.Verify(t.Context(), w.config.Keys, second); err != nil {
		t.Fatal(err)
	}
	says(t, desk.get("/operator/tenants/1"), []string{"sync", second[:10], "<td>adam</td>\n<td>admin</td>"},
		[]string{second, "Bea", "import"})
	revoke := func(tenant, reason string) int {
		return desk.do("POST", "/operator/tenants/"+tenant+"/keys", url.Values{"id": {id.Key.ID},
			"reason": {reason}}).status
	}
	if a, b := revoke("1", ""), revoke("2", "a leak"); a != 422 || b != http.StatusNotFound {
		t.Errorf("without a reason %d, of another client %d", a, b)
	}
	if _, err := apikey.Verify(t.Context(), w.config.Keys, second); err != nil {
		t.Error("it ended all the same")
	}
	if got := revoke("1", "found in a log"); got != http.StatusSeeOther {
		t.Error(got)
	}
	if _, err := apikey.Verify(t.Context(), w.config.Keys, second); err == nil {
		t.Error("a key that the operator has revoked works")
	}
	says(t, ann.get("/access"), []string{"revoked an API key", "found in a log"}, nil)

	other := w.as("ann", "1", "", true)
	list := other.get("/sessions").body
	if strings.Count(list, ">End</button>") != 1 || !strings.Contains(list, `class="tag">This`) {
		t.Fatalf("the other session is not listed: %s", between(list, "<main", "</main>"))
	}
	first := between(list, `name="id" value="`, `"`)
	vic.do("POST", "/sessions", url.Values{"id": {first}})
	vic.do("POST", "/sessions", url.Values{"others": {"1"}})
	if a := ann.get("/dashboard"); a.status != http.StatusOK {
		t.Errorf("another ends it: %d", a.status)
	}
	if a := other.do("POST", "/sessions", url.Values{"id": {first}}); a.status != 303 {
		t.Errorf("ending it: %d", a.status)
	}
	if ann.get("/dashboard").status != http.StatusSeeOther || other.get("/dashboard").status != http.StatusOK ||
		vic.get("/dashboard").status != http.StatusOK {
		t.Error("the session that was ended goes on, or another does not")
	}
}

// "Your data" says who looked, gives the own rows of every table, and nothing to who views as
// a client.
func TestYourData(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestMembers
	w := newPeople(t)
	ann, desk := w.as("ann", "1", "", true), w.desk()
	desk.do("POST", "/operator/tenants/1/view", url.Values{"reason": {"ticket 12"}})
	page := ann.get("/data").body
	if !strings.Contains(page, "ticket 12") || !strings.Contains(page, "has not done so") {
		t.Error("the page does not say who looked, or that nothing was proven")
	}
	all := unzipped(t, ann.get("/data/export").body)
	for _, name := range []string{"Order.csv", "contacts.csv", "audit_log.csv", "MARK-A 7"} {
		if !strings.Contains(all, name) {
			t.Errorf("%s is not in the archive", name)
		}
	}
	if strings.Contains(all, "MARK-B") || strings.Contains(all, "HASH-NEVER") {
		t.Error("the archive holds another's rows, or secrets")
	}
	for _, path := range []string{"/data/export"} {
		if a := desk.get(path); a.status != http.StatusNotFound {
			t.Errorf("%s to a look: %d", path, a.status)
		}
	}
	if a := desk.do("POST", "/people/invite", url.Values{"email": {"x@x.example"}, "role": {"owner"}}); a.status != 403 {
		t.Errorf("a look invites: %d", a.status)
	}
}
