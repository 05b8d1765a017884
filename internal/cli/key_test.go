package cli

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/moat-db/moat/internal/apikey"
	"github.com/moat-db/moat/internal/config"
	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// keyedService serves the database of speaks with API keys.
func keyedService(t *testing.T, d *pgtest.Database, yaml string) (s *service, keys string, err error) {
	t.Helper()
	role := d.Role(t, "keys", "LOGIN")
	d.Exec(t, apikey.Install(role))
	without, err := speaksService(t, d, ", tenants: all", ", tenants: all", yaml)
	if err != nil {
		return nil, role, err
	}
	s, err = openService(t.Context(), &service{config: without.config, appURL: without.appURL, keysURL: d.As(t, role),
		log: slog.New(slog.DiscardHandler)})
	if err == nil {
		t.Cleanup(s.close)
	}
	return s, role, err
}

// send sends a request with a token.
func (s *service) send(method, path, token, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	return w
}

// makeKey makes a key as somebody.
func (s *service) makeKey(t *testing.T, token, body string, header ...string) (id, key string) {
	t.Helper()
	w := s.send(http.MethodPost, "/keys", token, body, header...)
	var made struct{ ID, Key string }
	if err := json.Unmarshal(w.Body.Bytes(), &made); err != nil || w.Code != http.StatusCreated {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	return made.ID, made.Key
}

const choose = "Moat-Tenant"

// A key does what its maker may, as long as the maker may, and no longer than it lives.
func TestAPIKeys(t *testing.T) {
	t.Parallel()
	d := speaksDatabase(t)
	s, _, err := keyedService(t, d, speaksMembers)
	if err != nil {
		t.Fatal(err)
	}
	ann := speaksToken(t, "one", map[string]any{"sub": "ann"})
	id, key := s.makeKey(t, ann, `{"name":"ci"}`, choose, acme)
	at := func(tenant string) string {
		return speaksToken(t, "one", map[string]any{"sub": "ann", "tenant_id": tenant})
	}
	get := func(token string, header ...string) string {
		return titles(s.send(http.MethodGet, docs, token, "", header...))
	}
	for name, c := range map[string][2]string{
		"bearer":                    {get(key), "of Acme"},
		"apikey":                    {get("", "apikey", key), "of Acme"},
		"both":                      {get(key, "apikey", key), "of Acme"},
		"beside a token":            {get(at(acme), "apikey", key), "of Acme"},
		"beside another's":          {get(at(beta), "apikey", key), "Bad Request MOAT115"},
		"beside a choice":           {get(ann, "apikey", key, choose, beta), "Bad Request MOAT115"},
		"another tenant":            {get(key, choose, beta), "Forbidden MOAT103"},
		"a header of other clients": {get(at(beta), "apikey", "unused"), "of Beta"},
		"a key that is none":        {get(key[:len(key)-1] + "?"), "Unauthorized PGRST301"},
		"a short one":               {get("moat_x"), "Unauthorized PGRST301"},
		"a bad one beside a token":  {get(at(acme), "apikey", key[:len(key)-2]+"xx"), "Unauthorized PGRST301"},
		"a token in a key's name": {get(speaksToken(t, "one", map[string]any{"sub": "key:" + id, "tenant_id": acme})),
			"Unauthorized PGRST301"},
	} {
		if c[0] != c[1] {
			t.Errorf("%s: %s, want %s", name, c[0], c[1])
		}
	}
	if w := s.send(http.MethodPost, "/keys", key, `{"name":"more"}`); titles(w) != "Forbidden MOAT118" {
		t.Errorf("a key made by a key: %d %s", w.Code, w.Body)
	}
	list := s.send(http.MethodGet, "/keys", ann, "", choose, acme).Body.String()
	if !strings.Contains(list, key[:11]) || strings.Contains(list, key[:20]) || !strings.Contains(list, `"name":"ci"`) {
		t.Errorf("the list: %s", list)
	}
	bob := speaksToken(t, "two", map[string]any{"sub": "bob"})
	if w := s.send(http.MethodDelete, "/keys/"+id, bob, "", choose, beta); w.Code != http.StatusNotFound {
		t.Errorf("another's key: %d", w.Code)
	}

	d.Exec(t, "delete from app.members where subject = 'ann' and tenant_id = '"+acme+"'")
	if got := get(key); got != "Forbidden MOAT103" {
		t.Errorf("after the membership: %s", got)
	}
	d.Exec(t, "insert into app.members values ('"+acme+"', 'https://one.test', 'ann', 'viewer')")
	d.Exec(t, "update app.tenants set suspended = true where id = '"+acme+"'")
	if got := get(key); got != "Forbidden MOAT104" {
		t.Errorf("suspended: %s", got)
	}
	d.Exec(t, "update app.tenants set suspended = false where id = '"+acme+"'")
	if w := s.send(http.MethodDelete, "/keys/"+id, ann, "", choose, acme); w.Code != http.StatusNoContent {
		t.Errorf("revoke: %d %s", w.Code, w.Body)
	}
	if got := get(key); got != "Unauthorized PGRST301" {
		t.Errorf("after it was revoked: %s", got)
	}
}

// A key has its maker's role, the one of the moment, and ends in time.
func TestAPIKeyRoleAndEnd(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestAPIKeys
	d := speaksDatabase(t)
	s, _, err := keyedService(t, d, speaksMembers)
	if err != nil {
		t.Fatal(err)
	}
	ann := speaksToken(t, "one", map[string]any{"sub": "ann", "role": "owner"})
	for body, want := range map[string]string{
		`{"name":"x","role":"owner"}`:                      "Forbidden MOAT118",
		`{"name":"x","role":""}`:                           "Forbidden MOAT118",
		`{"name":"x","expires_at":"2020-01-01T00:00:00Z"}`: "Bad Request MOAT117",
		`{"name":""}`:                                 "Bad Request MOAT117",
		`{"name":"x","tenant":"` + beta + `"}`:        "Bad Request MOAT117",
		`{"name":"` + strings.Repeat("x", 201) + `"}`: "Bad Request MOAT117",
		`[]`: "Bad Request MOAT117",
	} {
		if got := titles(s.send(http.MethodPost, "/keys", ann, body, choose, acme)); got != want {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
	}
	_, key := s.makeKey(t, ann, `{"name":"x","role":"admin","expires_at":"2999-01-01T00:00:00Z"}`, choose, acme)
	id, err := s.verifier.Verify(t.Context(), key)
	if err != nil || id.Tenant != acme || id.Subject != "key:"+id.Key.ID || id.Key.Maker != "ann" || id.Role != "admin" {
		t.Errorf("%+v, %v", id, err)
	}
	d.Exec(t, "update app.members set role = 'viewer' where subject = 'ann'")
	s.door.Flush()
	check, err := s.door.Check(s.schema.loaded.Load())
	if err != nil {
		t.Fatal(err)
	}
	who, err := s.door.Speak(t.Context(), check, id, nil)
	if err != nil {
		t.Fatal(err)
	}
	if scope, err := s.door.Presume(t.Context(), check, who); err != nil || scope.Role != "viewer" ||
		scope.Subject != id.Subject {
		t.Errorf("after the maker's role changed: %+v, %v", scope, err)
	}
	d.Exec(t, "update moat.api_key set expires_at = now() - interval '1 second'")
	if w := s.send(http.MethodGet, docs, key, ""); w.Code != http.StatusUnauthorized ||
		!strings.Contains(w.Body.String(), "expired") {
		t.Errorf("expired: %d %s", w.Code, w.Body)
	}
}

// The application role has no way to keys, and what would give it one does not start.
func TestAPIKeysApart(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestAPIKeys
	d := speaksDatabase(t)
	_, keys, err := keyedService(t, d, "")
	if err != nil {
		t.Fatal(err)
	}
	app := d.Roles["app"]
	conn := d.Conn(t, d.As(t, app))
	for _, sql := range []string{"select count(*) from moat.api_key", "select hash from moat.api_key",
		"insert into moat.api_key (tenant, hash, prefix, name) values ('x', '', '', '')", "delete from moat.api_key",
		"update moat.api_key set revoked_at = null", "set role " + keys} {
		if _, err := conn.Exec(t.Context(), sql); refusedWith(err) != "42501" {
			t.Errorf("%s: %v", sql, err)
		}
	}
	open := func(url string) error {
		c, err := config.Parse([]byte(strings.ReplaceAll(goodIssuer, "%s", write(t, "secret", strings.Repeat("k", 32))) +
			"\ntables: {schemas: [app]}\ntenant: {table: app.tenants, column: tenant_id}\n" +
			"caller: {table: app.members, role: role}\n"))
		if err != nil {
			t.Fatal(err)
		}
		s, err := openService(t.Context(), &service{config: c, appURL: d.As(t, app), keysURL: url,
			log: slog.New(slog.DiscardHandler)})
		if err == nil {
			s.close()
		}
		return err
	}
	for _, c := range []struct{ do, undo, url, want string }{
		{"", "", d.As(t, app), "has a right on moat.api_key"},
		{"grant select (id) on moat.api_key to " + app, "revoke select (id) on moat.api_key from " + app, "",
			"has a right on moat.api_key"},
		{"grant " + keys + " to " + app, "revoke " + keys + " from " + app, "", "can become who has"},
		{"alter role " + keys + " bypassrls", "alter role " + keys + " nobypassrls", "", "can do more"},
		{"alter table moat.api_key rename to elsewhere", "alter table moat.elsewhere rename to api_key", "", "no table"},
	} {
		if c.do != "" {
			d.Exec(t, c.do)
		}
		url := c.url
		if url == "" {
			url = d.As(t, keys)
		}
		if err := open(url); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.do, err, c.want)
		}
		if c.undo != "" {
			d.Exec(t, c.undo)
		}
	}
}

// Where the database's own policies ask whose member the caller is, a key acts as its maker;
// the operator's, who is nobody's member, are refused.
func TestKeyBehindMembers(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestAPIKeys
	d := speaksDatabase(t)
	d.Exec(t, `alter policy wall on app.docs using (tenant_id = (select m.tenant_id from app.members m where m.subject =
		current_setting('app.subject', true) and m.tenant_id::text = current_setting('app.current_tenant', true)))`)
	s, _, err := keyedService(t, d, speaksMembers)
	if err != nil {
		t.Fatal(err)
	}
	ann := speaksToken(t, "one", map[string]any{"sub": "ann"})
	_, key := s.makeKey(t, ann, `{"name":"ci"}`, choose, acme)
	if got := titles(s.send(http.MethodGet, docs, key, "")); got != "of Acme" {
		t.Errorf("the maker's: %s", got)
	}
	secret, _, err := apikey.Create(t.Context(), d.Conn(t, d.URL), apikey.Key{Tenant: beta, Name: "x"})
	if err != nil {
		t.Fatal(err)
	}
	if got := titles(s.send(http.MethodGet, docs, secret, "")); got != "Forbidden MOAT103" {
		t.Errorf("the operator's: %s", got)
	}
}

// The operator's keys need no membership; the proxy takes keys too, until they are revoked.
func TestKeyCommands(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestAPIKeys
	d := speaksDatabase(t)
	s, _, err := keyedService(t, d, speaksMembers)
	if err != nil {
		t.Fatal(err)
	}
	yaml := write(t, "moat.yaml", "tables: {schemas: [app]}\ntenant: {table: app.tenants, column: tenant_id}\n")
	key := func(args ...string) (int, string, string) {
		return run(t, append([]string{"key", "--config", yaml, "--database-url", d.URL}, args...)...)
	}
	if code, out, _ := key("create", "--tenant", beta, "--name", "ci"); code != exitError || out != "" {
		t.Errorf("without --apply: %d %s", code, out)
	}
	if code, _, errs := key("create", "--tenant", omega, "--name", "ci", "--apply"); code != exitError ||
		!strings.Contains(errs, "no tenant") {
		t.Errorf("of nobody: %d %s", code, errs)
	}
	code, out, errs := key("create", "--tenant", strings.ToUpper(beta), "--name", "ci", "--role", "robot", "--expires",
		"1h", "--apply")
	secret := strings.TrimSpace(out)
	if code != exitOK || !strings.HasPrefix(secret, "moat_") {
		t.Fatal(code, out, errs)
	}
	if got := titles(s.send(http.MethodGet, docs, secret, "")); got != "of Beta" {
		t.Errorf("with the operator's key: %s", got)
	}
	_, list, _ := key("list")
	fields := strings.Fields(strings.Split(list, "\n")[1])
	if len(fields) < 8 || fields[2] != beta || fields[3] != "ci" || strings.Contains(list, secret[:20]) {
		t.Errorf("the list: %s", list)
	}
	if s.proxyDoor, err = s.openProxyDoor(t.Context()); err != nil {
		t.Fatal(err)
	}
	caller, err := s.verifyForProxy(t.Context(), secret, "")
	if err != nil || caller.Scope.Tenant != beta || caller.Scope.Role != "robot" {
		t.Fatalf("the proxy: %+v, %v", caller.Scope, err)
	}
	if _, err := caller.Admit(t.Context(), caller.Scope); err != nil {
		t.Errorf("the proxy: %v", err)
	}
	if code, _, errs := key("revoke", fields[0], "--apply"); code != exitOK {
		t.Error(errs)
	}
	if code, _, _ := key("revoke", fields[0], "--apply"); code != exitError {
		t.Error("a key was revoked twice")
	}
	if got := titles(s.send(http.MethodGet, docs, secret, "")); got != "Unauthorized PGRST301" {
		t.Errorf("revoked: %s", got)
	}
	if scope, err := caller.Admit(t.Context(), caller.Scope); err == nil || scope.Tenant != "" {
		t.Error("the proxy goes on with a revoked key")
	}
}

// Each key has a rate of its own, and guesses share one.
func TestKeyRate(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestKeyCommands
	d := speaksDatabase(t)
	s, _, err := keyedService(t, d, "limits: {key_requests_per_second: 0.01}\n")
	if err != nil {
		t.Fatal(err)
	}
	token := speaksToken(t, "one", map[string]any{"sub": "ann", "tenant_id": acme})
	_, key := s.makeKey(t, token, `{"name":"a"}`)
	_, other := s.makeKey(t, token, `{"name":"b"}`)
	var got []string
	for _, one := range []string{key, key, key, other} {
		got = append(got, titles(s.send(http.MethodGet, docs, one, "")))
	}
	want := "of Acme|of Acme|Too Many Requests MOAT130|of Acme" // the first was a stranger's
	if all := strings.Join(got, "|"); all != want {
		t.Errorf("got %s, want %s", all, want)
	}
	guess := func() (err error) {
		_, err = s.verifier.Verify(t.Context(), "moat_"+strings.Repeat("x", 43))
		return err
	}
	for end := time.Now().Add(10 * time.Second); guess() != apikey.ErrRate; {
		if time.Now().After(end) {
			t.Fatal("guessing goes on")
		}
	}
}
