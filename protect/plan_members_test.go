package protect

import (
	"slices"
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

// A table whose tenant no key tells is asked about, with what its columns say.
func TestUnknownTableIsAskedAbout(t *testing.T) {
	t.Parallel()
	b := newBench(t, twoTenants+`
CREATE TABLE note (id int PRIMARY KEY, tenant_id uuid NOT NULL REFERENCES tenants);
CREATE TABLE audit_log (id int PRIMARY KEY, tenant uuid, actor uuid, tenant_name text);
CREATE TABLE people (id int PRIMARY KEY, email text, last_tenant uuid REFERENCES tenants);
CREATE TABLE tenant_member (tenant_id uuid NOT NULL REFERENCES tenants, user_id int NOT NULL REFERENCES people,
  role text, PRIMARY KEY (tenant_id, user_id));
CREATE TABLE session (token text PRIMARY KEY, user_id int REFERENCES people);
CREATE TABLE secrets (id int PRIMARY KEY, domain text, data bytea);
CREATE TABLE sent ("noteId" int NOT NULL, people_id int, other_id int, PRIMARY KEY ("noteId"))`)
	p := b.plan(t)
	for id, offered := range map[string]string{
		"class/public.audit_log": "tables: {columns: {public.audit_log: tenant}}",
		// Whose members are several tenants' belong to none of them, and what hangs on them neither.
		"class/public.people":  "tables: {members: {public.people: {through: public.tenant_member",
		"class/public.session": "tables: {ignore: [public.session]}   # no tenant reads it\n",
		"class/public.secrets": "tables: {ignore: [public.secrets]}   # no tenant reads it\n",
	} {
		if d := decision(p, id); d == nil || !strings.Contains(d.Config, offered) {
			t.Errorf("%s is offered: %+v", id, d)
		}
	}
	d := decision(p, "class/public.sent")
	want := []string{`ALTER TABLE public.sent ADD FOREIGN KEY ("noteId") REFERENCES public.note (id)`}
	if d == nil || !slices.Equal(d.SQL, want) || !strings.Contains(d.Why, "noteId refers to a table of tenants") {
		t.Errorf("a column that is named for a table of tenants: %+v", d)
	}
}
