package cli

import (
	"strings"
	"testing"

	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/tenancy"
)

// breakInDatabase has a tenant column that is called otherwise, another in one table, and
// no policy on half of the tables.
func breakInDatabase(t *testing.T) (d *pgtest.Database, role string) {
	t.Helper()
	d = pgtest.New(t)
	role = d.AppRole(t)
	d.Exec(t, strings.NewReplacer(":app", role, ":a", sealTenantA, ":b", sealTenantB).Replace(`
		create schema app; grant usage on schema app to :app;
		create table app.orgs (id uuid primary key, name text);
		create table app.leads (org_id uuid not null references app.orgs, id int, name text, primary key (org_id, id));
		create table app.deals (owner_org uuid not null references app.orgs, id int, name text, primary key (owner_org, id));
		create table app.open (org_id uuid references app.orgs, id int primary key, name text, number text);
		create table app.lines (id int primary key, open_id int not null references app.open, text text);
		create table app.countries (code text primary key);
		create view app.shown with (security_invoker) as select org_id as whose, name, upper(name) as loud from app.open;
		insert into app.orgs values (':a', 'A'), (':b', 'B');
		insert into app.leads values (':a', 1, 'a'), (':b', 1, 'b');
		insert into app.deals values (':a', 1, 'a'), (':b', 1, 'b');
		insert into app.open values (':a', 1, 'a', '1'), (':b', 2, 'b', 'two'), (null, 3, 'nobody', '3');
		insert into app.lines values (1, 1, 'a'), (2, 2, 'b');
		insert into app.countries values ('de');
		create policy tenant_isolation on app.leads as restrictive
			using (org_id = (select nullif(current_setting('app.org', true), '')::uuid));
		create policy tenant_access on app.leads using (true);
		create policy tenant_isolation on app.deals as restrictive
			using (owner_org = (select nullif(current_setting('app.org', true), '')::uuid));
		create policy tenant_access on app.deals using (true);
		alter table app.leads enable row level security; alter table app.leads force row level security;
		alter table app.deals enable row level security; alter table app.deals force row level security;
		grant select, update on all tables in schema app to :app`))
	return d, role
}

// The owner of a row is told by where its columns come from, and where that cannot be
// told nothing is said to hold.
func TestBreakInTellsWhoseRowsCameBack(t *testing.T) {
	t.Parallel()
	d, role := breakInDatabase(t)
	config := write(t, "bare.yaml", "tables: {schemas: [app], shared: [app.countries]}\n")
	const own = `where org_id = '` + sealTenantA + `'`
	for i, c := range []struct {
		code      int
		text, sql string
	}{
		{exitOK, "held", "select * from app.leads"},
		{exitOK, "held", "select * from app.deals"}, // its own name for the column
		{exitFound, "BROKEN IN: 1 row of", "select * from app.open"},
		{exitFound, "BROKEN IN: 1 row of", "select org_id as x, name from app.open"},
		{exitFound, "BROKEN IN: 1 row of", "select whose, name from app.shown"}, // through a view
		{exitFound, "BROKEN IN: 1 row of", "select * from app.orgs"},            // the tenants themselves
		{exitOK, "own", "select * from app.open " + own},
		{exitOK, "own", "update app.leads set name = 'x' returning *"},
		{exitOK, "held", "select * from app.countries"},
		{exitError, "select org_id of app.open too", "select name from app.open"},
		{exitError, "cannot tell: select org_id", "select '" + sealTenantA + "' as org_id, n.name from app.open n"},
		{exitError, "select org_id of app.open too", "select l.org_id, o.name from app.leads l, app.open o"},
		{exitError, "value of loud", "select name, loud, whose from app.shown where whose = '" + sealTenantA + "'"},
		{exitError, "app.lines has no tenant column", "select * from app.lines"},
		{exitError, "a row of app.open has no tenant", "select * from app.open where org_id is null"},
		{exitError, "value of count", "select count(*) from app.open"},
		{exitFound, "BROKEN IN", "table app.open"},
		{exitError, "value of max", "select org_id, (select max(name) from app.open) from app.open " + own},
		{exitError, "the rows of UPDATE 3 were not shown", "update app.open set name = 'x'"},
		{exitError, "text can hold a value", "select number::int from app.open"},
		{exitError, "value of tablename", "select tablename from pg_catalog.pg_tables limit 1"},
		{exitOK, "held", "select nonsense"},
		{exitFound, "BROKEN IN: 1 row of", "set app.org = '" + sealTenantB + "'; select * from app.leads"},
		{exitOK, "held", "select set_config('app.other', 'x', true), 1; show app.org; select * from app.leads"},
		{exitOK, "held", "select l.org_id, o.org_id, o.name from app.leads l left join app.open o on o.id = 7"},
	} {
		if testing.Short() && i%2 != 0 {
			continue // each varies the one before it
		}
		args := []string{"breakin", "--config", config, "--app-url", d.As(t, role), "--tenant", strings.ToUpper(sealTenantA)}
		code, out, errs := run(t, append(args, c.sql)...)
		if code != c.code || !strings.Contains(out, c.text) || code != exitOK && strings.Contains(out, "held") {
			t.Errorf("%s: exit %d, want %d with %q\n%s%s", c.sql, code, c.code, c.text, out, errs)
		}
	}
}

// Without a model nothing can be said of any row.
func TestBreakInNeedsTheModel(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	role := d.AppRole(t)
	d.Exec(t, "create table things (id int primary key, name text); grant select on things to "+role)
	code, out, errs := run(t, "breakin", "--app-url", d.As(t, role), "--tenant", sealTenantA, "select * from things")
	if code != exitError || out != "" || !strings.Contains(errs, "tenant.column") {
		t.Errorf("exit %d: %s%s", code, out, errs)
	}
}

// The prompt's example forgets its tenant on a table of theirs, and runs as it stands.
func TestBreakInExample(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestBreakInTellsWhoseRowsCameBack
	d, role := breakInDatabase(t)
	read, err := schemaLoader(d.As(t, role), tenancy.Options{Schemas: []string{"app"}})(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	example := (&breakIn{judge: judge{view: read}}).example()
	if !strings.Contains(example, "app.deals where true or owner_org ") {
		t.Errorf("the example is %s", example)
	}
	config := write(t, "bare.yaml", "tables: {schemas: [app], shared: [app.countries]}\n")
	if code, text, errs := run(t, "breakin", "--config", config, "--app-url", d.As(t, role), "--tenant", sealTenantA,
		example); code != exitOK {
		t.Errorf("exit %d: %s%s", code, text, errs)
	}
}
