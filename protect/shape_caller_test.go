package protect

import (
	"slices"
	"strings"
	"testing"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// clubs has u1 in A, u2 in A and B, u3 in B and u4 in C, as 1 to 4 in 1 to 3.
const clubs = `CREATE SCHEMA app;
	CREATE TABLE app.tenants (id int PRIMARY KEY, name text);
	CREATE TABLE app.users (id int PRIMARY KEY, name text, email text UNIQUE);
	CREATE TABLE app.memberships (tenant_id int NOT NULL REFERENCES app.tenants, user_id int NOT NULL REFERENCES app.users,
		role text NOT NULL, PRIMARY KEY (tenant_id, user_id));
	CREATE TABLE app.projects (tenant_id int NOT NULL REFERENCES app.tenants, id int NOT NULL,
		PRIMARY KEY (tenant_id, id));
	INSERT INTO app.tenants VALUES (1, 'A'), (2, 'B'), (3, 'C');
	INSERT INTO app.users SELECT i, 'U' || i FROM generate_series(1, 4) i;
	INSERT INTO app.memberships VALUES (1, 1, 'admin'), (1, 2, 'member'), (2, 2, 'admin'), (2, 3, 'member'),
		(3, 4, 'admin');
	INSERT INTO app.projects SELECT t, i FROM generate_series(1, 3) t, generate_series(1, 2) i;`

const projects = "SELECT count(*) FROM app.projects"

func clubsBench(t *testing.T, c *pgtest.Cluster, all bool, people bool) *bench {
	t.Helper()
	s := catalog.Shapes{Caller: &catalog.Caller{Table: in("memberships"), Subject: "user_id", All: all}}
	if people {
		s.Members = []catalog.Members{{Table: in("users"), Through: in("memberships"), Person: "user_id",
			Columns: []string{"id", "name"}}}
	}
	return shapedBench(t, c, clubs, s)
}

// The active tenant is verified by the caller's membership.
func TestCallerActive(t *testing.T) {
	t.Parallel()
	pgtest.EachMajor(t, func(t *testing.T, c *pgtest.Cluster) {
		t.Parallel()
		clubsBench(t, c, false, false).bothModes(t, callerActiveScenes())
	})
}

func callerActiveScenes() []scene {
	return []scene{
		{tenant: "1", subject: "2", sql: projects, want: "2"},
		{tenant: "3", subject: "2", sql: projects, want: "0"},
		{tenant: "1", sql: projects, want: "0"},
		{subject: "2", sql: projects, want: "0"},
		{tenant: "1", subject: "2", sql: "INSERT INTO app.projects VALUES (2, 9)", want: "42501"},
		{tenant: "1", subject: "2", sql: "INSERT INTO app.projects (id) VALUES (9)", want: "1"},
		{tenant: "3", subject: "2", sql: "INSERT INTO app.projects (id) VALUES (9)", want: "42501"},
		{tenant: "3", subject: "2", sql: "DELETE FROM app.projects", want: "0"},
		{tenant: "1", subject: "2", sql: "UPDATE app.projects SET tenant_id = 2", want: "42501"},
		{tenant: "1", subject: "2", sql: "SELECT count(*) FROM app.memberships", want: "2"},
		{subject: "2", sql: "INSERT INTO app.memberships VALUES (3, 2, 'admin')", want: "42501"},
		{subject: "2", sql: "UPDATE app.memberships SET role = 'admin'", want: "42501"},
	}
}

// All tenants of the caller at once, wherever they are.
func TestCallerAll(t *testing.T) {
	t.Parallel()
	pgtest.EachMajor(t, func(t *testing.T, c *pgtest.Cluster) {
		t.Parallel()
		clubsBench(t, c, true, false).bothModes(t, callerAllScenes())
	})
}

func callerAllScenes() []scene {
	return []scene{
		{subject: "2", sql: projects, want: "4"}, {subject: "4", sql: projects, want: "2"}, {sql: projects, want: "0"},
		{tenant: "3", subject: "2", sql: projects, want: "4"},
		{subject: "2", sql: "INSERT INTO app.projects VALUES (1, 9)", want: "1"},
		{subject: "2", sql: "INSERT INTO app.projects VALUES (3, 9)", want: "42501"},
		{subject: "2", sql: "UPDATE app.projects SET tenant_id = 3", want: "42501"},
		// From one's own tenant to one's own.
		{subject: "2", sql: "UPDATE app.projects SET tenant_id = 2, id = 9 WHERE tenant_id = 1 AND id = 1", want: "1"},
		{subject: "2", sql: "DELETE FROM app.projects", want: "4"},
		{subject: "2", sql: "INSERT INTO app.memberships VALUES (3, 2, 'admin')", want: "42501"},
	}
}

// A member is an issuer's subject: the same subject of another is somebody else, who sees
// and writes nothing, whichever tenant is bound and whatever shape shows it.
func TestCallerOfIssuer(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestCallerActive
	const one, two, four = "https://one.test", "https://two.test", "https://four.test"
	issued := strings.NewReplacer("role text NOT NULL, PRIMARY KEY (tenant_id, user_id)",
		"role text NOT NULL, issuer text NOT NULL DEFAULT '"+one+"', PRIMARY KEY (tenant_id, user_id, issuer)",
		"UNIQUE)", "UNIQUE, issuer text DEFAULT '"+one+"')").Replace(clubs) + `
		INSERT INTO app.memberships VALUES (1, 2, 'member', '` + four + `');
		CREATE TABLE app.notes (tenant_id int NOT NULL REFERENCES app.tenants, id int NOT NULL, owner_id int NOT NULL,
			issuer text NOT NULL DEFAULT current_setting('app.issuer', true), PRIMARY KEY (tenant_id, id));
		INSERT INTO app.notes VALUES (1, 1, 2, '` + one + `'), (1, 2, 2, '` + four + `'), (1, 3, 1, '` + one + `')`
	for _, all := range []bool{false, true} {
		b := shapedBench(t, pgtest.Shared(t), issued, catalog.Shapes{
			Caller: &catalog.Caller{Table: in("memberships"), Subject: "user_id", Issuer: "issuer", All: all},
			Members: []catalog.Members{{Table: in("users"), Through: in("memberships"), Person: "user_id",
				Columns: []string{"id", "name"}}},
			Inside: []catalog.Inside{{Table: in("notes"), Owner: "owner_id", Own: []string{"member"}}}})
		own := map[bool]string{false: "2", true: "4"}[all]
		scenes := []scene{{tenant: "1", subject: "2", issuer: one, sql: projects, want: own},
			{tenant: "1", subject: "2", issuer: one, sql: "UPDATE app.users SET name = ''", want: "1"}}
		for issuer, note := range map[string]string{one: "1", four: "2"} {
			scenes = append(scenes, ownOf(issuer, note)...)
		}
		scenes = append(scenes, scene{tenant: "1", subject: "2", issuer: four, sql: "UPDATE app.users SET name = ''",
			want: "0"})
		for _, stranger := range []string{two, "", "https://one.test/", "HTTPS://ONE.TEST"} {
			for _, sql := range []string{projects, "SELECT count(*) FROM app.users", "UPDATE app.users SET name = ''",
				"DELETE FROM app.projects", "UPDATE app.projects SET id = 9"} {
				want := "0"
				scenes = append(scenes, scene{tenant: "1", subject: "2", issuer: stranger, sql: sql, want: want})
			}
			scenes = append(scenes, scene{tenant: "1", subject: "2", issuer: stranger,
				sql: "INSERT INTO app.projects VALUES (1, 9)", want: "42501"},
				scene{subject: "2", issuer: stranger, sql: "SELECT count(*) FROM app.memberships", want: "0"})
		}
		b.act(t, scenes)
		b.seal(t)
		b.playAll(t, scenes)
	}
}

// ownOf are what two people with one subject, of two issuers, do to the notes of one.
func ownOf(issuer, note string) []scene {
	me := scene{tenant: "1", subject: "2", issuer: issuer, role: "member"}
	var all []scene
	for _, x := range [][2]string{{"SELECT string_agg(id::text, ',') FROM app.notes", note},
		{"UPDATE app.notes SET owner_id = 2", "1"}, {"UPDATE app.notes SET issuer = 'https://three.test'", "42501"},
		{"INSERT INTO app.notes VALUES (1, 9, 2, 'https://three.test')", "42501"},
		{"INSERT INTO app.notes VALUES (1, 9, 2, '" + issuer + "')", "1"}} {
		me.sql, me.want = x[0], x[1]
		all = append(all, me)
	}
	return all
}

// People and callers on one table: a tenant sees its people, a caller their tenants before
// one is chosen, and nobody writes a membership.
func TestCallerAndPeople(t *testing.T) {
	t.Parallel()
	pgtest.EachMajor(t, func(t *testing.T, c *pgtest.Cluster) {
		t.Parallel()
		clubsBench(t, c, false, true).bothModes(t, callerAndPeopleScenes())
	})
}

func callerAndPeopleScenes() []scene {
	return []scene{
		{tenant: "1", subject: "2", sql: "SELECT count(*) FROM app.memberships", want: "3"},
		{subject: "2", sql: "SELECT count(*) FROM app.memberships", want: "2"},
		{sql: "SELECT count(*) FROM app.memberships", want: "0"},
		{tenant: "1", subject: "2", sql: "SELECT string_agg(name, ',' ORDER BY id) FROM app.users", want: "U1,U2"},
		{tenant: "3", subject: "2", sql: "SELECT count(*) FROM app.users", want: "0"},
		{tenant: "1", subject: "2", sql: "SELECT email FROM app.users", want: "42501"},
		{tenant: "1", subject: "2", sql: "DELETE FROM app.memberships", want: "42501"},
		{tenant: "1", subject: "2", sql: projects, want: "2"},
	}
}

// Of all tenants of the caller at once, so are their people: with a tenant bound or without.
func TestCallerAllAndPeople(t *testing.T) {
	t.Parallel()
	pgtest.EachMajor(t, func(t *testing.T, c *pgtest.Cluster) {
		t.Parallel()
		clubsBench(t, c, true, true).bothModes(t, callerAllAndPeopleScenes())
	})
}

func callerAllAndPeopleScenes() []scene {
	const links, names = "SELECT count(*) FROM app.memberships", "SELECT string_agg(name, ',' ORDER BY id) FROM app.users"
	return []scene{
		{subject: "2", sql: links, want: "4"}, {subject: "2", sql: names, want: "U1,U2,U3"},
		{tenant: "1", subject: "2", sql: names, want: "U1,U2,U3"}, {tenant: "3", subject: "2", sql: links, want: "4"},
		{subject: "4", sql: links, want: "1"}, {subject: "4", sql: names, want: "U4"},
		{sql: links, want: "0"}, {tenant: "1", sql: "SELECT count(*) FROM app.users", want: "0"},
		{tenant: "1", subject: "5", sql: links, want: "0"}, {subject: "5", sql: "SELECT count(*) FROM app.users", want: "0"},
		{subject: "2", sql: "SELECT string_agg(t::text, ',') FROM moat.caller_tenants() t", want: "1,2"},
		{subject: "2", sql: "UPDATE app.users SET name = 'me'", want: "1"},
		{subject: "2", sql: "DELETE FROM app.memberships", want: "42501"},
		{subject: "2", sql: projects, want: "4"},
	}
}

// Audit knows the function that policies ask, and sees when it is not what it was.
func TestCallerTenantsIsAudited(t *testing.T) {
	t.Parallel()
	b := clubsBench(t, pgtest.Shared(t), true, true)
	b.apply(t, GroupEnforce)
	if found := b.audited(t); len(found) > 0 {
		t.Fatalf("findings of a sound database: %q", found)
	}
	const want = "critical rls-shape app.memberships"
	var body string
	conn := b.Conn(t, b.url)
	if err := conn.QueryRow(t.Context(), "SELECT pg_get_functiondef('moat.caller_tenants()'::regprocedure)").
		Scan(&body); err != nil {
		t.Fatal(err)
	}
	for _, broken := range []string{"ALTER FUNCTION moat.caller_tenants() SECURITY INVOKER",
		strings.Replace(body, "WHERE", "WHERE true OR", 1), "ALTER FUNCTION moat.caller_tenants() OWNER TO " +
			b.Role(t, "keeper", "NOLOGIN")} {
		b.Exec(t, broken)
		if found := b.audited(t); !slices.Contains(found, want) {
			t.Errorf("%s: no %q in %q", broken, want, found)
		}
		b.Exec(t, body+"; ALTER FUNCTION moat.caller_tenants() OWNER TO "+b.cfg.Roles.Definer)
	}
	b.seal(t)
	if found := b.audited(t); len(found) > 0 {
		t.Errorf("findings of a mended database, sealed: %q", found)
	}
}

// Whoever may not make the function gets all that does not need it, and is told the rest.
func TestCallerTenantsWithoutSuperuser(t *testing.T) {
	t.Parallel()
	b := clubsBench(t, pgtest.Shared(t), true, true)
	admin := b.Role(t, "admin", "LOGIN CREATEROLE")
	b.Exec(t, "ALTER DATABASE "+b.Name+" OWNER TO "+admin+"; ALTER SCHEMA app OWNER TO "+admin)
	for _, table := range []string{"tenants", "users", "memberships", "projects"} {
		b.Exec(t, "ALTER TABLE app."+table+" OWNER TO "+admin)
	}
	b.url = b.As(t, admin)
	left := leftSQL(b.plan(t), "tell policies the caller's tenants")
	if left == nil {
		t.Fatalf("the function is not among what is left: %v", b.plan(t).Left)
	}
	b.apply(t, GroupEnforce)
	b.url = b.URL
	b.playAll(t, []scene{{subject: "2", sql: projects, want: "4"}})
	b.Exec(t, "CREATE ROLE "+b.cfg.Roles.Definer+" BYPASSRLS; "+strings.Join(left, ";"))
	b.url = b.As(t, admin)
	b.apply(t, GroupEnforce)
	b.url = b.URL
	b.playAll(t, callerAllAndPeopleScenes())
}

func leftSQL(plan *Plan, title string) []string {
	for _, l := range plan.Left {
		if strings.Contains(l.Title, title) {
			return l.SQL
		}
	}
	return nil
}
