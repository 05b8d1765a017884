package database_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/protect"
	"github.com/moat-db/moat/prove"
	"github.com/moat-db/moat/tenancy"
)

// starter is made as starter kits on PostgREST are: a caller in the claims, who is in several
// teams, helpers that look the membership up past the policies, a function that opens a
// team to whoever has its link, and anybody may make a team.
const starter = `CREATE SCHEMA app; CREATE ROLE $APP LOGIN; GRANT USAGE ON SCHEMA app TO $APP;
	CREATE FUNCTION app.uid() RETURNS uuid LANGUAGE sql STABLE AS
		$$ SELECT (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::uuid $$;
	CREATE TABLE app.teams (id uuid PRIMARY KEY, owner_id uuid NOT NULL DEFAULT app.uid(), name text, slug text,
		personal boolean NOT NULL DEFAULT false, CHECK ((personal AND slug IS NULL) OR (NOT personal AND slug IS NOT NULL)),
		UNIQUE (id, slug));
	CREATE TABLE app.team_user (user_id uuid NOT NULL, team_id uuid NOT NULL REFERENCES app.teams, role text NOT NULL,
		PRIMARY KEY (user_id, team_id));
	CREATE TABLE app.invitations (id uuid PRIMARY KEY, team_id uuid NOT NULL REFERENCES app.teams, token text NOT NULL,
		invited_by_id uuid NOT NULL);
	CREATE TABLE app.bills (team_id uuid NOT NULL REFERENCES app.teams, id uuid PRIMARY KEY, body text);
	CREATE FUNCTION app.has_role(team_id uuid, role text DEFAULT NULL) RETURNS boolean LANGUAGE sql STABLE
		SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$ SELECT EXISTS (SELECT 1 FROM app.team_user m
		WHERE m.user_id = app.uid() AND m.team_id = has_role.team_id AND (m.role = has_role.role OR has_role.role
		IS NULL)) $$;
	CREATE FUNCTION app.inviter() RETURNS trigger LANGUAGE plpgsql AS
		$$ BEGIN NEW.invited_by_id := app.uid(); RETURN NEW; END $$;
	CREATE FUNCTION app.bill_of(team uuid) RETURNS SETOF app.bills LANGUAGE plpgsql SECURITY DEFINER
		SET search_path = pg_catalog, pg_temp AS $$ BEGIN
		IF NOT app.has_role(team) THEN RAISE EXCEPTION 'not yours'; END IF;
		RETURN QUERY SELECT b.* FROM app.bills b WHERE b.team_id = team; END $$;
	CREATE FUNCTION app.accept(link_token text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
		SET search_path = pg_catalog, pg_temp AS $$ DECLARE t uuid; BEGIN
		SELECT i.team_id INTO t FROM app.invitations i WHERE i.token = link_token;
		IF t IS NULL THEN RAISE EXCEPTION 'no such link'; END IF;
		INSERT INTO app.team_user VALUES (app.uid(), t, 'member'); END $$;
	ALTER TABLE app.teams ENABLE ROW LEVEL SECURITY; ALTER TABLE app.team_user ENABLE ROW LEVEL SECURITY;
	ALTER TABLE app.invitations ENABLE ROW LEVEL SECURITY; ALTER TABLE app.bills ENABLE ROW LEVEL SECURITY;
	CREATE POLICY own ON app.team_user FOR SELECT USING (user_id = app.uid());
	CREATE POLICY mates ON app.team_user FOR SELECT USING (app.has_role(team_id) = true);
	CREATE POLICY leave ON app.team_user FOR DELETE USING (app.has_role(team_id, 'owner') = true
		AND user_id <> (SELECT t.owner_id FROM app.teams t WHERE t.id = team_id));
	CREATE POLICY seen ON app.teams FOR SELECT USING (app.has_role(id) = true);
	CREATE POLICY made ON app.teams FOR INSERT WITH CHECK (NOT personal);
	CREATE POLICY changed ON app.teams FOR UPDATE USING (app.has_role(id, 'owner') = true);
	CREATE POLICY invited ON app.invitations USING (app.has_role(team_id, 'owner') = true);
	CREATE POLICY billed ON app.bills FOR SELECT USING (app.has_role(team_id) = true);
	GRANT SELECT, INSERT, UPDATE ON app.teams TO $APP; GRANT SELECT, DELETE ON app.team_user TO $APP;
	GRANT SELECT, INSERT, DELETE ON app.invitations TO $APP; GRANT SELECT ON app.bills TO $APP;
	INSERT INTO app.teams SELECT md5('t' || i)::uuid, md5('u' || i)::uuid, 'T' || i, 's' || i
		FROM generate_series(1, 3) i;
	INSERT INTO app.teams SELECT md5('u' || i)::uuid, md5('u' || i)::uuid, 'U' || i, NULL, true
		FROM generate_series(1, 3) i;
	INSERT INTO app.team_user SELECT owner_id, id, 'owner' FROM app.teams;
	INSERT INTO app.team_user VALUES (md5('u2')::uuid, md5('t1')::uuid, 'member');
	INSERT INTO app.invitations SELECT md5('i' || i)::uuid, md5('t' || i)::uuid, 'link' || i, md5('u' || i)::uuid
		FROM generate_series(1, 3) i;
	CREATE FUNCTION app.joins() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
		AS $$ BEGIN INSERT INTO app.team_user VALUES (NEW.owner_id, NEW.id, 'owner'); RETURN NEW; END $$;
	CREATE TRIGGER joins AFTER INSERT ON app.teams FOR EACH ROW WHEN (NEW.owner_id = app.uid())
		EXECUTE FUNCTION app.joins();
	CREATE TRIGGER inviter BEFORE INSERT ON app.invitations FOR EACH ROW EXECUTE FUNCTION app.inviter();
	INSERT INTO app.bills SELECT md5('t' || i)::uuid, md5('b' || i)::uuid, 'B' || i FROM generate_series(1, 3) i;`

// newStarter is the starter kit, closed by protect's plan.
func newStarter(t *testing.T, declared *catalog.Caller) *shaped {
	t.Helper()
	return closedKit(t, starter, tenancy.Options{Shapes: catalog.Shapes{Caller: declared}})
}

func closedKit(t *testing.T, schema string, o tenancy.Options) *shaped {
	t.Helper()
	db := pgtest.New(t)
	suffix := strings.TrimPrefix(db.Name, "moat_test")
	s := &shaped{Database: db, app: "app" + suffix}
	for _, role := range []string{s.app, "owner" + suffix, "operator" + suffix, "definer" + suffix} {
		db.Adopt(role)
	}
	db.Exec(t, strings.ReplaceAll(schema, "$APP", s.app))
	s.options, s.options.Roles = o, []string{s.app}
	open := func(ctx context.Context) (*pgx.Conn, error) { return pgx.Connect(ctx, db.URL) }
	conn, err := open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	roles := protect.Roles{Owner: "owner" + suffix, Application: s.app, Operator: "operator" + suffix,
		Definer: "definer" + suffix}
	plan, _, _, err := protect.Look(t.Context(), conn, s.options, protect.Config{Roles: roles})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := protect.Apply(t.Context(), open, plan, protect.ApplyOptions{Until: protect.GroupGuards}); err != nil {
		t.Fatal(err)
	}
	return s
}

// Whoever acts for a tenant is found in the table of members, and the caller is bound as the
// product's own helpers find them.
func TestStarterKitIsProved(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestListedMembersAreProved
	s := newStarter(t, nil)
	r := s.prove(t)
	for _, p := range r.Probes {
		if p.Verdict != prove.VerdictIsolated && !strings.HasPrefix(p.ID, "upsert oracle") {
			t.Errorf("%s %s: %s", p.Verdict, p.ID, p.Reason)
		}
	}
	for _, id := range []string{"visible set:app.team_user", "read:app.bills", "insert:app.teams",
		"trigger lookup:app.teams",
		"definer function:app.bill_of(team uuid)", "definer function:app.accept(link_token text)"} {
		if r.Find(id) == nil {
			t.Errorf("no probe %s", id)
		}
	}
	sabotages := map[string]string{
		"app.bills":     "CREATE POLICY wide ON app.bills FOR SELECT USING (true)",
		"app.team_user": "CREATE POLICY wide ON app.team_user FOR SELECT USING (true)",
		"app.bill_of": `CREATE OR REPLACE FUNCTION app.bill_of(team uuid) RETURNS SETOF app.bills LANGUAGE plpgsql
			SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$ BEGIN
			IF app.uid() IS NULL THEN RAISE EXCEPTION 'not yours'; END IF;
			RETURN QUERY SELECT b.* FROM app.bills b WHERE b.team_id = team; END $$`,
		"app.teams": "ALTER POLICY changed ON app.teams USING (true); ALTER POLICY seen ON app.teams USING (true)",
	}
	for object, sabotage := range sabotages {
		s.Exec(t, sabotage)
		if !testing.Short() && !leaksOn(s.prove(t), object) {
			t.Errorf("%s: no leak on %s", sabotage, object)
		}
	}
	r = s.prove(t)
	for object := range sabotages {
		if !leaksOn(r, object) {
			t.Errorf("all at once: no leak on %s", object)
		}
	}
}

func leaksOn(r *prove.Report, object string) bool {
	return slices.ContainsFunc(r.Leaks(), func(p prove.Probe) bool { return strings.Contains(p.Object, object) })
}

// Where a helper lists a team's members, and a member is a row of a table of people, the walls
// ask for the same caller, and who is planted as a member of B is not who acts for A.
func TestListedMembersAreProved(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestTenantInClaims
	schema := strings.NewReplacer(
		"CREATE TABLE app.team_user (user_id uuid NOT NULL,", `CREATE TABLE app.people (id uuid PRIMARY KEY);
			-- Who acts for A comes first, where a row that anybody may be referred to is looked for.
			INSERT INTO app.people SELECT md5('u' || i)::uuid FROM generate_series(1, 5) i ORDER BY i <> 3;
			CREATE TABLE app.team_user (id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
			user_id uuid NOT NULL REFERENCES app.people,`,
		"role text NOT NULL,\n\t\tPRIMARY KEY (user_id, team_id));", "role text NOT NULL);",
		"INSERT INTO app.team_user ", "INSERT INTO app.team_user (user_id, team_id, role) ",
		"CREATE POLICY billed ON app.bills FOR SELECT USING (app.has_role(team_id) = true);",
		`CREATE FUNCTION app.members(team_id uuid) RETURNS TABLE (user_id uuid) LANGUAGE plpgsql SECURITY DEFINER AS $$
			BEGIN RETURN QUERY SELECT team_user.user_id FROM app.team_user WHERE team_user.team_id = $1; END $$;
			CREATE POLICY billed ON app.bills FOR SELECT USING ((SELECT app.uid()) IN (SELECT app.members(team_id)));
			CREATE POLICY paid ON app.bills FOR UPDATE USING (true);`,
		"GRANT SELECT ON app.bills", "GRANT SELECT, UPDATE ON app.bills").Replace(starter)
	s := closedKit(t, schema, tenancy.Options{Ignored: []catalog.QName{{Schema: "app", Name: "people"}},
		Shapes: catalog.Shapes{Caller: &catalog.Caller{Table: catalog.QName{Schema: "app", Name: "team_user"},
			Subject: "user_id", Tenant: "team_id", All: true}}})
	if got, err := s.as(t, "u2", "SELECT count(*)::text FROM app.bills"); err != nil || got != "2" {
		t.Errorf("u2 sees %s bills, %v, want those of two teams", got, err)
	}
	for _, p := range s.prove(t).Probes {
		known := strings.HasPrefix(p.ID, "upsert oracle") || strings.HasPrefix(p.ID, "definer function:app.members")
		if p.Verdict != prove.VerdictIsolated && !known {
			t.Errorf("%s %s: %s", p.Verdict, p.ID, p.Reason)
		}
	}
}

// What the product lets its people do still works: they see the others of their teams, and
// make teams; where moat.yaml declares the caller, too.
func TestStarterKitWorksOn(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestListedMembersAreProved
	for _, declared := range []*catalog.Caller{nil, {Table: catalog.QName{Schema: "app", Name: "team_user"},
		Subject: "user_id", Tenant: "team_id", All: true}} {
		s := newStarter(t, declared)
		for sql, want := range map[string]string{
			"SELECT count(*)::text FROM app.team_user":                                    "3",
			"SELECT count(*)::text FROM app.bills":                                        "1",
			"SELECT count(*)::text FROM app.teams":                                        "2",
			"INSERT INTO app.teams (id, name, slug) VALUES (gen_random_uuid(), 'N', 'n')": "INSERT 0 1",
			"WITH gone AS (DELETE FROM app.team_user WHERE user_id = md5('u2')::uuid RETURNING 1) " +
				"SELECT count(*)::text FROM gone": "1",
		} {
			got, err := s.as(t, "u1", sql)
			if err != nil || got != want {
				t.Errorf("%s: %q, %v, want %q", sql, got, err, want)
			}
		}
	}
}

// as runs a statement as a person, rolled back, and returns its one value or its tag.
func (s *shaped) as(t *testing.T, person, sql string) (got string, err error) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.As(t, s.app))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.Background())
	const bind = `SELECT set_config('request.jwt.claims', '{"sub": "' || md5($1)::uuid || '"}', true)`
	if _, err := tx.Exec(t.Context(), bind, person); err != nil {
		t.Fatal(err)
	}
	if strings.HasPrefix(sql, "INSERT") {
		tag, err := tx.Exec(t.Context(), sql)
		return tag.String(), err
	}
	err = tx.QueryRow(t.Context(), sql).Scan(&got)
	return got, err
}
