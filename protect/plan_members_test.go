package protect

import (
	"strings"
	"testing"
)

// Who is in a team of a tenant, and as what, is not the application's to write unasked; and
// people are looked for in the table that lists members first.
func TestMembersOfTeams(t *testing.T) {
	t.Parallel()
	b := newBench(t, twoTenants+`
CREATE TABLE people (id int PRIMARY KEY, email text);
CREATE TABLE chat (id int PRIMARY KEY, tenant_id uuid NOT NULL REFERENCES tenants, user_id int REFERENCES people);
CREATE TABLE tenant_member (tenant_id uuid NOT NULL REFERENCES tenants, user_id int NOT NULL REFERENCES people,
  role text, PRIMARY KEY (tenant_id, user_id));
CREATE TABLE team (id int PRIMARY KEY, tenant_id uuid NOT NULL REFERENCES tenants);
CREATE TABLE team_user (team_id int NOT NULL REFERENCES team, user_id int NOT NULL, role text NOT NULL,
  PRIMARY KEY (team_id, user_id));`)
	p := b.plan(t)
	if decision(p, "members/public.team_user") == nil {
		t.Error("the application may write who is in a team")
	}
	d := decision(p, "class/public.people")
	if d == nil || !strings.Contains(d.Config, "through: public.tenant_member, person: user_id") {
		t.Errorf("people are offered as %+v", d)
	}
}

// A table whose tenant no key tells is asked about with the column that looks like it.
func TestUnknownTableOffersItsColumn(t *testing.T) {
	t.Parallel()
	b := newBench(t, twoTenants+`
CREATE TABLE note (id int PRIMARY KEY, tenant_id uuid NOT NULL REFERENCES tenants);
CREATE TABLE audit_log (id int PRIMARY KEY, tenant uuid, actor uuid, tenant_name text)`)
	d := decision(b.plan(t), "class/public.audit_log")
	if d == nil || !strings.Contains(d.Config, "tables: {columns: {public.audit_log: tenant}}") {
		t.Errorf("offered: %+v", d)
	}
}
