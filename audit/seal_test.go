package audit_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/audit"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/seal"
	"github.com/moat-db/moat/tenancy"
)

// sealed is a database in sealed mode with one table.
type sealed struct {
	*pgtest.Database
	app, owner string
	admin      *pgx.Conn
}

func newSealed(t *testing.T, c *pgtest.Cluster) sealed {
	t.Helper()
	d := c.New(t)
	conn := d.Conn(t, d.URL)
	s := sealed{d, d.AppRole(t), d.Role(t, "sealer", "NOLOGIN"), conn}
	d.Exec(t, fmt.Sprintf(`create table leads (tenant_id uuid not null, id int, primary key (tenant_id, id));
		create policy tenant_isolation on leads as restrictive
			using (tenant_id = (select nullif(current_setting('app.current_tenant', true), '')::uuid));
		create policy tenant_access on leads to %[1]s using (true);
		alter table leads enable row level security, force row level security; grant select on leads to %[1]s`, s.app))
	for _, err := range []error{
		seal.Install(t.Context(), conn, seal.InstallOptions{Owner: s.owner, Applications: []string{s.app}}),
		seal.AddKey(t.Context(), conn, seal.NewKey(), seal.KeyOptions{}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := seal.Switch(t.Context(), conn, seal.Sealed, nil); err != nil {
		t.Fatal(err)
	}
	return s
}

// rules audits with the probe and returns the ids of what it found.
func (s sealed) rules(t *testing.T) []string {
	t.Helper()
	v, err := tenancy.Read(context.Background(), s.admin, tenancy.Options{Roles: []string{s.app}})
	if err != nil {
		t.Fatal(err)
	}
	evidence, err := audit.Probe(context.Background(), s.admin, v)
	if err != nil {
		t.Fatal(err)
	}
	var rules []string
	for _, x := range audit.Run(v, audit.Options{Evidence: evidence}).Findings {
		rules = append(rules, x.Rule)
	}
	return rules
}

// Each weakness of sealed mode is found, once, and gone when it is mended; in a sealed
// database that has none, nothing says that the setting can be forged.
func TestSealedWeaknesses(t *testing.T) {
	t.Parallel()
	pgtest.EachMajor(t, func(t *testing.T, c *pgtest.Cluster) {
		s := newSealed(t, c)
		about := func(id string) bool { return id[:5] == "seal-" || id == "session-set-config" }
		if found := s.rules(t); slices.ContainsFunc(found, about) {
			t.Errorf("a clean sealed database has %v", found)
		}
		install := func() {
			conn := s.Conn(t, s.URL)
			o := seal.InstallOptions{Owner: s.owner, Applications: []string{s.app}}
			if err := seal.Install(t.Context(), conn, o); err != nil {
				t.Fatal(err)
			}
		}
		for _, w := range []struct {
			rule, broken string
			mend         func()
		}{
			{"seal-key-readable", "grant select on moat.seal_key to " + s.app,
				func() { s.Exec(t, "revoke all on moat.seal_key from "+s.app) }},
			{"seal-key-readable", "grant select (seal_inner) on moat.seal_key to public",
				func() { s.Exec(t, "revoke all on moat.seal_key from public") }},
			{"seal-function", `create or replace function
				moat.enter(tenant text, expires bigint, key text, signature bytea, facts text) returns void
				language sql as $$ select set_config('moat.sealed', tenant, true) $$`, install},
			{"seal-function", "grant execute on function moat.enter(text, bigint, text, bytea, text) to public", install},
			{"seal-function", "alter function moat.current_tenant() reset search_path", install},
			{"seal-function", "alter role " + s.owner + " login", func() { s.Exec(t, "alter role "+s.owner+" nologin") }},
			{"seal-function", "grant " + s.owner + " to " + s.app, func() { s.Exec(t, "revoke "+s.owner+" from "+s.app) }},
			{"seal-mixed", `create policy extra on leads as restrictive
				using (tenant_id = (select nullif(current_setting('app.current_tenant', true), '')::uuid))`,
				func() { s.Exec(t, "drop policy extra on leads") }},
			{"seal-old-key", `update moat.seal_key set created_at = now() - interval '3 days';
				insert into moat.seal_key select 'newer000', token_inner, token_outer, seal_inner, seal_outer, false,
					now() - interval '2 days' from moat.seal_key`,
				func() {
					s.Exec(t, "update moat.seal_key set valid_until = $1 where id <> 'newer000'", time.Now().Add(time.Hour))
				}},
		} {
			s.Exec(t, w.broken)
			if found := s.rules(t); count(found, w.rule) == 0 {
				t.Errorf("%s: %q gives %v", w.rule, w.broken, found)
			}
			w.mend()
			if found := s.rules(t); count(found, w.rule) != 0 {
				t.Errorf("%s: %q is mended, and still there: %v", w.rule, w.broken, found)
			}
		}
	})
}

func count(list []string, want string) int {
	n := 0
	for _, x := range list {
		if x == want {
			n++
		}
	}
	return n
}
