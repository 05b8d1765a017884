package protect

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/tenancy"
)

const claimsFunctions = `CREATE SCHEMA auth; CREATE FUNCTION auth.uid() RETURNS uuid LANGUAGE sql STABLE AS $$
	SELECT (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::uuid $$;`

// orgs has policies that ask a table of memberships who the caller is, by «uid», and a table
// that was forgotten.
const orgs = `CREATE SCHEMA auth; GRANT USAGE ON SCHEMA auth TO PUBLIC;
	CREATE FUNCTION auth.uid() RETURNS uuid LANGUAGE sql STABLE AS $$ SELECT «uid» $$;
	CREATE SCHEMA app;
	CREATE TABLE app.org (id uuid PRIMARY KEY, name text);
	CREATE TABLE app.org_member (org_id uuid NOT NULL REFERENCES app.org, user_id uuid NOT NULL,
		PRIMARY KEY (org_id, user_id));
	CREATE TABLE app.project (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), org_id uuid NOT NULL REFERENCES app.org,
		name text);
	CREATE TABLE app.task (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), org_id uuid NOT NULL REFERENCES app.org,
		name text);
	ALTER TABLE app.org ENABLE ROW LEVEL SECURITY; ALTER TABLE app.org_member ENABLE ROW LEVEL SECURITY;
	ALTER TABLE app.project ENABLE ROW LEVEL SECURITY;
	CREATE TABLE app.payment (id uuid PRIMARY KEY, org_id uuid NOT NULL REFERENCES app.org);
	ALTER TABLE app.payment ENABLE ROW LEVEL SECURITY; -- and no policy: for the server alone
	CREATE POLICY m ON app.org_member FOR SELECT USING (user_id = auth.uid());
	CREATE POLICY o ON app.org FOR SELECT USING (id IN (SELECT org_id FROM app.org_member WHERE user_id = auth.uid()));
	CREATE POLICY p ON app.project USING (org_id IN (SELECT org_id FROM app.org_member WHERE user_id = auth.uid()));
	INSERT INTO app.org SELECT md5(n)::uuid, n FROM unnest(ARRAY['A', 'B', 'C']) n;
	INSERT INTO app.org_member SELECT id, md5('u')::uuid FROM app.org WHERE name < 'C';
	INSERT INTO app.project (org_id, name) SELECT id, name FROM app.org;
	INSERT INTO app.task (org_id, name) SELECT id, name FROM app.org;
	INSERT INTO app.payment SELECT id, id FROM app.org;`

// Policies that ask for the caller's memberships stay, and what they show stays visible; the
// table that they forgot gets a wall that asks the same.
func TestMembershipPoliciesStay(t *testing.T) {
	t.Parallel()
	const member = "7b774eff-e4a3-49c6-b6c8-0c0b9a0b0b0b"
	for name, x := range map[string]struct{ uid, setting, value string }{
		"one setting a claim": {"nullif(current_setting('request.jwt.claim.sub', true), '')::uuid",
			"request.jwt.claim.sub", "%s"},
		"claims": {"(nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::uuid",
			"request.jwt.claims", `{"sub": "%s"}`},
		"a setting of the application's": {"nullif(current_setting('app.user_id', true), '')::uuid", "app.user_id", "%s"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pgtest.Full(t, "claims")
			b := newBench(t, strings.ReplaceAll(orgs, "«uid»", x.uid))
			b.opts = tenancy.Options{Schemas: []string{"app"}}
			kept := b.value(t, "SELECT string_agg(polname || ' ' || pg_get_expr(polqual, polrelid), '; ' ORDER BY polname) "+
				"FROM pg_policy")
			before := text(t, b.snapshot(t))
			for _, id := range decisionIDs(b.plan(t)) {
				if strings.HasPrefix(id, "wall/") {
					t.Errorf("asked %s: these policies show no more than a wall would", id)
				}
			}
			b.apply(t, GroupGuards)
			if again := b.plan(t); !again.Empty() {
				t.Errorf("second plan: %s", show(again))
			}
			if now := b.value(t, "SELECT string_agg(polname || ' ' || pg_get_expr(polqual, polrelid), '; ' ORDER BY polname) "+
				"FROM pg_policy WHERE polname IN ('m', 'o', 'p')"); now != kept {
				t.Errorf("policies were %s\nand are %s", kept, now)
			}
			conn := b.Conn(t, b.As(t, b.cfg.Roles.Application))
			for who, want := range map[string]string{b.value(t, "SELECT md5('u')::uuid::text"): "2 2 2 2 0", member: "0 0 0 0 0",
				"": "0 0 0 0 0"} {
				value := strings.ReplaceAll(x.value, "%s", who)
				if who == "" {
					value = ""
				}
				var got string
				if _, err := conn.Exec(t.Context(), "SELECT set_config($1, $2, false)", x.setting, value); err != nil {
					t.Fatal(err)
				}
				err := conn.QueryRow(t.Context(), `SELECT concat_ws(' ', (SELECT count(*) FROM app.org),
					(SELECT count(*) FROM app.org_member), (SELECT count(*) FROM app.project),
					(SELECT count(*) FROM app.task), (SELECT count(*) FROM app.payment))`).Scan(&got)
				if err != nil || got != want {
					t.Errorf("%s sees %q, %v; want %q of orgs, members, projects, tasks, payments", who, got, err, want)
				}
			}
			b.undo(t)
			if d := diff(before, text(t, b.snapshot(t))); d != "" {
				t.Errorf("undo left (- before, + after):\n%s", d)
			}
		})
	}
}

// With the caller declared, a table that no policy opens stays shut until protect.opened lists it,
// and a policy that shows more than the caller's tenants is asked about before a wall hides it.
func TestDeclaredCallerNarrowsNothingUnasked(t *testing.T) {
	t.Parallel()
	const uid = "(nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::uuid"
	b := newBench(t, strings.ReplaceAll(orgs, "«uid»", uid)+
		"; CREATE POLICY wide ON app.org_member FOR SELECT USING (true)")
	b.opts = tenancy.Options{Schemas: []string{"app"}, Shapes: catalog.Shapes{Caller: &catalog.Caller{
		Table: in("org_member"), Subject: "user_id", Tenant: "org_id", All: true}}}
	asked := b.plan(t)
	wide, shut := decision(asked, "wall/app.org_member"), decision(asked, "shut/app.payment")
	if wide == nil || !wide.Blocks || shut == nil || shut.Blocks {
		t.Fatalf("asked: %v", decisionIDs(asked))
	}
	b.Exec(t, wide.SQL[0])
	sees := func(want string) {
		t.Helper()
		b.apply(t, GroupGuards)
		conn := b.Conn(t, b.As(t, b.cfg.Roles.Application))
		result(t.Context(), conn, "SELECT set_config('request.jwt.claims', "+
			"jsonb_build_object('sub', md5('u')::uuid)::text, false)")
		got := result(t.Context(), conn, `SELECT concat_ws(' ', (SELECT count(*) FROM app.org_member),
			(SELECT count(*) FROM app.task), (SELECT count(*) FROM app.payment))`)
		if got != want {
			t.Errorf("u sees %s members, tasks, payments, want %s", got, want)
		}
	}
	sees("2 2 0")
	if again := b.plan(t); !again.Empty() || decision(again, "wall/app.org_member") != nil {
		t.Errorf("second plan: %s, %v", show(again), decisionIDs(again))
	}
	b.cfg.Opened = []string{"app.payment"}
	sees("2 2 2")
}

// ownRows is a table into which a caller writes rows of their own, whichever tenant those name.
const ownRows = `
CREATE TABLE app.note (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), org_id uuid NOT NULL REFERENCES app.org,
		author uuid NOT NULL DEFAULT auth.uid());
ALTER TABLE app.note ENABLE ROW LEVEL SECURITY;
CREATE POLICY r ON app.note FOR SELECT USING (org_id IN (SELECT org_id FROM app.org_member WHERE
		user_id = auth.uid()));
CREATE POLICY i ON app.note FOR INSERT WITH CHECK (author = auth.uid())`

// A policy by which a caller writes rows of their own into any tenant is asked about, and the
// statement that is offered closes it.
func TestOwnRowsOfAnyTenantAreAsked(t *testing.T) {
	t.Parallel()
	const uid = "(nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::uuid"
	b := newBench(t, strings.ReplaceAll(orgs, "«uid»", uid)+ownRows)
	b.opts = tenancy.Options{Schemas: []string{"app"}}
	d := decision(b.plan(t), "writes/app.note.i")
	if d == nil || !d.Blocks {
		t.Fatalf("not asked: %v", decisionIDs(b.plan(t)))
	}
	b.Exec(t, d.SQL[0])
	b.apply(t, GroupGuards)
	conn := b.Conn(t, b.As(t, b.cfg.Roles.Application))
	for org, want := range map[string]string{"A": "1", "C": "42501"} {
		result(t.Context(), conn, "SELECT set_config('request.jwt.claims', "+
			"jsonb_build_object('sub', md5('u')::uuid)::text, false)")
		if got := result(t.Context(), conn, "INSERT INTO app.note (org_id) SELECT md5('"+org+"')::uuid"); got != want {
			t.Errorf("into %s: %s, want %s", org, got, want)
		}
	}
}

// Where nothing says which tenants are the caller's, nothing is planned; a setting that is
// configured holds the tenant.
func TestPeopleAreNotTenants(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	db.Exec(t, claimsFunctions+`CREATE TABLE accounts (id uuid PRIMARY KEY);
		CREATE TABLE account_user (holder uuid NOT NULL, account_id uuid NOT NULL REFERENCES accounts,
		  PRIMARY KEY (holder, account_id));
		CREATE TABLE docs (id uuid PRIMARY KEY, account_id uuid NOT NULL REFERENCES accounts);
		ALTER TABLE docs ENABLE ROW LEVEL SECURITY; ALTER TABLE account_user ENABLE ROW LEVEL SECURITY;
		CREATE POLICY own ON account_user FOR SELECT USING (holder = auth.uid());
		CREATE POLICY m ON docs FOR SELECT USING (account_id IN (SELECT account_id FROM
		  account_user WHERE holder = auth.uid()));`)
	conn := db.Conn(t, db.URL)
	_, _, _, err := Look(t.Context(), conn, tenancy.Options{}, Config{})
	var person *PersonError
	if !errors.As(err, &person) || !strings.Contains(err.Error(), "public.account_user") {
		t.Fatalf("planned although no column is known to name the caller: %v", err)
	}
	if _, _, _, err := Look(t.Context(), conn, tenancy.Options{Setting: "app.user_account"}, Config{}); err != nil {
		t.Errorf("a setting that is configured holds the tenant: %v", err)
	}
}

// A tenant that policies read from a claim is read from it in the planned ones, too.
func TestWallsReadTheClaim(t *testing.T) {
	t.Parallel()
	b := newBench(t, `CREATE SCHEMA app; CREATE TABLE app.tenants (id uuid PRIMARY KEY, name text);
		CREATE TABLE app.a (id int PRIMARY KEY, tenant_id uuid NOT NULL REFERENCES app.tenants);
		CREATE TABLE app.b (id int PRIMARY KEY, tenant_id uuid NOT NULL REFERENCES app.tenants);
		ALTER TABLE app.a ENABLE ROW LEVEL SECURITY;
		CREATE POLICY t ON app.a USING (tenant_id = (nullif(current_setting('request.jwt.claims', true),
		  '')::jsonb ->> 'tenant_id')::uuid);
		INSERT INTO app.tenants VALUES ('`+tenantA+`', 'A'), ('22222222-2222-4222-8222-222222222222', 'B');
		INSERT INTO app.b SELECT row_number() OVER (), id FROM app.tenants;`)
	b.opts = tenancy.Options{Column: "tenant_id", Schemas: []string{"app"}}
	b.apply(t, GroupGuards)
	conn := b.Conn(t, b.As(t, b.cfg.Roles.Application))
	for claims, want := range map[string]int{`{"tenant_id": "` + tenantA + `"}`: 1, `{"sub": "` + tenantA + `"}`: 0,
		``: 0} {
		var n int
		if _, err := conn.Exec(t.Context(), "SELECT set_config('request.jwt.claims', $1, false)", claims); err != nil {
			t.Fatal(err)
		}
		if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM app.b").Scan(&n); err != nil || n != want {
			t.Errorf("claims %q: %d rows, %v; want %d", claims, n, err, want)
		}
	}
}

// Under memberships that moat.yaml declares, audit asks for no wall where protect plans none, and
// says so as soon as a table's own policies no longer keep it.
func TestAuditAcceptsPoliciesThatStay(t *testing.T) {
	t.Parallel()
	const uid = "(nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::uuid"
	b := newBench(t, strings.ReplaceAll(orgs, "«uid»", uid))
	b.opts = tenancy.Options{Schemas: []string{"app"}, Shapes: catalog.Shapes{Caller: &catalog.Caller{
		Table: catalog.QName{Schema: "app", Name: "org_member"}, Subject: "user_id", Tenant: "org_id", All: true}}}
	b.apply(t, GroupGuards)
	shape := func() (found []string) {
		for _, f := range b.audited(t) {
			if strings.Contains(f, "rls-shape") {
				found = append(found, f)
			}
		}
		return found
	}
	if found := shape(); len(found) > 0 {
		t.Errorf("after protect: %q", found)
	}
	b.Exec(t, "ALTER POLICY p ON app.project USING (true)")
	if found := shape(); !slices.Contains(found, "high rls-shape app.project") {
		t.Errorf("a policy that lets everything through: %q", found)
	}
}

// A policy by which a caller writes rows of their own into any tenant is a finding, declared or not.
func TestAuditSeesOwnRowsOfAnyTenant(t *testing.T) {
	t.Parallel()
	const uid = "(nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::uuid"
	declared := &catalog.Caller{Table: catalog.QName{Schema: "app", Name: "org_member"}, Subject: "user_id",
		Tenant: "org_id", All: true}
	for name, caller := range map[string]*catalog.Caller{"declared": declared, "inferred": nil} {
		b := newBench(t, strings.ReplaceAll(orgs, "«uid»", uid)+ownRows)
		b.opts = tenancy.Options{Schemas: []string{"app"}, Shapes: catalog.Shapes{Caller: caller}}
		b.Exec(t, "CREATE ROLE "+b.cfg.Roles.Application+" LOGIN; GRANT USAGE ON SCHEMA app TO "+b.cfg.Roles.Application+
			"; GRANT SELECT, INSERT ON app.note TO "+b.cfg.Roles.Application)
		if found := b.audited(t); !slices.Contains(found, "high policy-check app.note.i") {
			t.Errorf("memberships %s: %q", name, found)
		}
	}
}
