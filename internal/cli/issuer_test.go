package cli

import (
	"net/http"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat"
)

// Policies find a member by issuer and subject. The server binds both, for tokens and for
// keys, and so does the proxy: else a member would see nothing.
func TestServerBindsTheIssuer(t *testing.T) {
	t.Parallel()
	d := speaksDatabase(t)
	d.Exec(t, strings.NewReplacer(":now", "nullif(current_setting('app.current_tenant', true), '')::uuid", ":own",
		"subject = (select nullif(current_setting('app.subject', true), '')) and "+
			"issuer = (select nullif(current_setting('app.issuer', true), ''))").Replace(`
		alter policy caller on app.members using (:own);
		alter policy wall on app.docs using (tenant_id = (select m.tenant_id from app.members m where :own
			and m.tenant_id = :now))`))
	s, _, err := keyedService(t, d, speaksMembers)
	if err != nil {
		t.Fatal(err)
	}
	ann := speaksToken(t, "one", map[string]any{"sub": "ann"})
	_, key := s.makeKey(t, ann, `{"name":"x"}`, choose, beta)
	for token, want := range map[string]string{
		speaksToken(t, "one", map[string]any{"sub": "ann", "tenant_id": beta}): "of Beta",
		key: "of Beta",
		speaksToken(t, "one", map[string]any{"sub": "bob", "tenant_id": beta}): "Forbidden MOAT103",
		speaksToken(t, "one", map[string]any{"sub": "", "tenant_id": beta}):    "Forbidden MOAT103",
	} {
		if got := titles(s.send(http.MethodGet, docs, token, "")); got != want {
			t.Errorf("%s: %s, want %s", token, got, want)
		}
	}
	if w := s.get("/tenants", ann); !strings.Contains(w.Body.String(), beta) {
		t.Errorf("a member's tenants: %s", w.Body)
	}
	if s.proxyDoor, err = s.openProxyDoor(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, token := range []string{ann, key} {
		caller, err := s.verifyForProxy(t.Context(), token, map[bool]string{true: beta}[token == ann])
		if err != nil {
			t.Fatal(err)
		}
		if got := asBound(t, s, d.As(t, d.Roles["app"]), caller.Scope); got != "of Beta" {
			t.Errorf("as the proxy binds: %q", got)
		}
		caller.Scope.Issuer = "https://two.test"
		if got := asBound(t, s, d.As(t, d.Roles["app"]), caller.Scope); got != "" {
			t.Errorf("the same subject of another issuer reads %q", got)
		}
	}
}

// asBound is the first document that a scope sees, bound by the service's options.
func asBound(t *testing.T, s *service, url string, scope moat.Scope) (title string) {
	t.Helper()
	o, err := bindOptions(s.config)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	err = pgx.BeginFunc(t.Context(), conn, func(tx pgx.Tx) error {
		if err := moat.Bind(t.Context(), tx, scope, o); err != nil {
			return err
		}
		return tx.QueryRow(t.Context(), "select coalesce(max(title), '') from app.docs").Scan(&title)
	})
	if err != nil {
		t.Fatal(err)
	}
	return title
}
