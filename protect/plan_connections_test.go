package protect

import (
	"slices"
	"strings"
	"testing"
)

// switching is a database behind PostgREST, as Supabase sets it up: a login without rights
// of its own becomes one of several roles for each request.
func switching(t *testing.T) (b *bench, login, anon, service string) {
	t.Helper()
	b = newBench(t, twoTenants+`CREATE TABLE doc (id uuid PRIMARY KEY, tenant_id uuid NOT NULL REFERENCES tenants);
		CREATE TABLE tenant_member (tenant_id uuid NOT NULL REFERENCES tenants, user_id uuid NOT NULL,
			PRIMARY KEY (tenant_id, user_id))`)
	role := func(name, attributes string) string { return b.Role(t, name, attributes) }
	b.cfg.Roles.Application = role("authenticated", "NOLOGIN NOINHERIT")
	login, anon = role("authenticator", "LOGIN NOINHERIT"), role("anon", "NOLOGIN NOINHERIT")
	service = role("service", "NOLOGIN NOINHERIT BYPASSRLS")
	app := b.cfg.Roles.Application
	b.Exec(t, "GRANT "+app+", "+anon+", "+service+" TO "+login+"; GRANT SELECT ON doc TO "+anon+
		"; GRANT SELECT, INSERT, UPDATE, DELETE ON doc, tenant_member TO "+app+", "+service)
	return b, login, anon, service
}

// A login that reaches rows only by SET ROLE to the application role needs no answer; one
// with rights of its own does, and so does another role that it becomes.
func TestLoginThatOnlySwitchesIsNotAskedAbout(t *testing.T) {
	t.Parallel()
	b, login, anon, service := switching(t)
	plan := b.plan(t)
	if !slices.Contains(plan.Model.Roles, login) {
		t.Fatalf("roles: %v", plan.Model.Roles)
	}
	if d := decision(plan, "connect/"+login); d != nil {
		t.Errorf("asked: %+v", d)
	}
	i := slices.IndexFunc(plan.Unchanged, func(n Note) bool { return n.Object == login })
	if i < 0 || !strings.Contains(plan.Unchanged[i].Reason, "also become "+service) {
		t.Errorf("notes: %+v", plan.Unchanged)
	}
	d := decision(plan, "connect/"+anon)
	if d == nil || !d.Blocks || strings.Contains(d.Question, "connect") || !strings.Contains(d.Config, "nothing reads") {
		t.Errorf("a role that it becomes: %+v", d)
	}
	b.Exec(t, "GRANT SELECT (id) ON doc TO "+login)
	if d := decision(b.plan(t), "connect/"+login); d == nil || !d.Blocks {
		t.Errorf("with rights of its own: %+v", d)
	}
}

// The application is told to connect as a role that can log in.
func TestConnectsAsALogin(t *testing.T) {
	t.Parallel()
	b, login, _, _ := switching(t)
	app := b.cfg.Roles.Application
	if said := b.plan(t).Connect; !strings.Contains(said, "connect the application as "+login) ||
		strings.Contains(said, "in place of the user") {
		t.Error(said)
	}
	b.Exec(t, "REVOKE "+app+" FROM "+login)
	if said := b.plan(t).Connect; !strings.Contains(said, "GRANT "+app+" TO it") {
		t.Error(said)
	}
	b.Exec(t, "ALTER ROLE "+app+" LOGIN")
	if said := b.plan(t).Connect; !strings.Contains(said, "Connect the application as "+app) {
		t.Error(said)
	}
}

// Of memberships that the application writes today, the question does not say that it gets
// SELECT only, and the statement it offers makes it so.
func TestMembershipsThatAreWrittenToday(t *testing.T) {
	t.Parallel()
	b, _, _, _ := switching(t)
	const id = "members/public.tenant_member"
	d := decision(b.plan(t), id)
	if d == nil || strings.Contains(d.Why, "no more than SELECT") || len(d.SQL) != 1 {
		t.Fatalf("question: %+v", d)
	}
	b.Exec(t, d.SQL[0])
	if d = decision(b.plan(t), id); d == nil || !strings.Contains(d.Why, "no more than SELECT") || len(d.SQL) > 0 {
		t.Errorf("question: %+v", d)
	}
	b.Exec(t, "GRANT INSERT ON tenant_member TO PUBLIC") // which enforce takes away
	if d = decision(b.plan(t), id); d == nil || len(d.SQL) > 0 {
		t.Errorf("question: %+v", d)
	}
}
