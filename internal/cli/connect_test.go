package cli

import (
	"net/url"
	"strings"
	"testing"

	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// TestConnectErrors breaks one thing of a connection at a time: that thing is named, and
// its hint, alone.
func TestConnectErrors(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	nobody := db.Role(t, "nobody", "NOLOGIN")
	in := func(change func(q url.Values, u *url.URL)) string {
		u, err := url.Parse(db.URL)
		if err != nil {
			t.Fatal(err)
		}
		q := u.Query()
		change(q, u)
		u.RawQuery = q.Encode()
		return u.String()
	}
	for name, c := range map[string]struct{ url, said, hint string }{
		"database": {in(func(_ url.Values, u *url.URL) { u.Path = "/no_such_database" }),
			`database "no_such_database" does not exist`, "psql -l"},
		"role": {in(func(_ url.Values, u *url.URL) { u.User = url.User(nobody) }), "not permitted to log in", "LOGIN"},
		"port": {"postgres://x@127.0.0.1:1/x", "nothing listens there: 127.0.0.1:1", "on this host and port"},
		"socket": {in(func(q url.Values, _ *url.URL) { q.Set("host", "/no/such/folder") }), "nothing listens there",
			"on this host and port"},
		"host": {"postgres://x@no-such-host.invalid/x", "no host no-such-host.invalid", "check the host"},
		"text": {"postgres://x@:port/x", "not a PostgreSQL connection string", "for example"},
	} {
		code, _, errs := command(t, "protect", c.url)
		if code != exitError || !strings.Contains(errs, c.said) || !strings.Contains(errs, "hint: ") ||
			!strings.Contains(errs, c.hint) || strings.Count(errs, "\n") > 2 {
			t.Errorf("%s: exit %d\n%s", name, code, errs)
		}
	}
}
