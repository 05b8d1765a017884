package audit_test

import (
	"context"
	"slices"
	"testing"

	"github.com/moat-db/moat/audit"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/tenancy"
)

const memberships = `
CREATE FUNCTION uid() RETURNS uuid LANGUAGE sql STABLE AS $$
	SELECT nullif(current_setting('request.jwt.claim.sub', true), '')::uuid $$;
CREATE TABLE org (id uuid PRIMARY KEY);
CREATE TABLE member (org_id uuid NOT NULL REFERENCES org, user_id uuid NOT NULL, PRIMARY KEY (org_id, user_id));
CREATE TABLE project (id int PRIMARY KEY, org_id uuid NOT NULL REFERENCES org);
CREATE TABLE task (id int PRIMARY KEY, org_id uuid NOT NULL REFERENCES org);
ALTER TABLE org ENABLE ROW LEVEL SECURITY; ALTER TABLE member ENABLE ROW LEVEL SECURITY;
ALTER TABLE project ENABLE ROW LEVEL SECURITY; ALTER TABLE task ENABLE ROW LEVEL SECURITY;
CREATE POLICY o ON org FOR SELECT USING (id IN (SELECT org_id FROM member WHERE user_id = uid()));
CREATE POLICY m ON member FOR SELECT USING (user_id = uid());
CREATE POLICY p ON project USING (org_id IN (SELECT org_id FROM member WHERE user_id = uid()));
CREATE POLICY t ON task FOR SELECT USING (uid() IS NULL
	OR org_id = (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'org_id')::uuid);
INSERT INTO org VALUES ('11111111-1111-4111-8111-111111111111'), ('22222222-2222-4222-8222-222222222222');
INSERT INTO member SELECT id, '99999999-9999-4999-8999-999999999999' FROM org;
INSERT INTO task SELECT row_number() OVER (), id FROM org;`

// Where policies find a person's tenants, no fix compares the tenant with the person,
// none widens what a policy shows, and none makes a table read itself.
func TestFixesForMemberships(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	app := db.AppRole(t)
	db.Exec(t, memberships+"GRANT SELECT, INSERT, UPDATE, DELETE ON org, member, project, task TO "+app)
	seen := func() (n int) {
		t.Helper()
		conn := db.Conn(t, db.As(t, app))
		for setting, value := range map[string]string{"request.jwt.claim.sub": "99999999-9999-4999-8999-999999999999",
			"request.jwt.claims": `{"org_id": "11111111-1111-4111-8111-111111111111"}`} {
			if _, err := conn.Exec(t.Context(), "SELECT set_config($1, $2, false)", setting, value); err != nil {
				t.Fatal(err)
			}
		}
		if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM task").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	look := func() audit.Report {
		t.Helper()
		v, err := tenancy.Read(context.Background(), db.Conn(t, db.URL), tenancy.Options{Roles: []string{app}})
		if err != nil {
			t.Fatal(err)
		}
		return audit.Run(v, audit.Options{})
	}
	report := look()
	mends := func(x audit.Finding) bool { return x.Rule == "policy-fail-open" && len(x.Fix) > 0 }
	if !slices.ContainsFunc(report.Findings, mends) {
		t.Fatal("the branch that opens without a user is not found, or not mended")
	}
	before := seen()
	applyFixes(t, db.Conn(t, db.URL), report)
	if after := seen(); before != 1 || after != before {
		t.Errorf("a member of two who acts for one saw %d rows before the fixes and sees %d after", before, after)
	}
	for _, x := range look().Findings {
		if x.Rule == "policy-recursion" || x.Rule == "policy-fail-open" {
			t.Errorf("after the fixes: %s on %s: %s", x.Rule, x.Object, x.Why)
		}
	}
}
