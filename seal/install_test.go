package seal_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/seal"
)

// Nobody but the application calls the functions, nobody at all reads the keys, even
// where default privileges would have it otherwise; and installing again changes
// nothing.
func TestInstallGrantsNothingElse(t *testing.T) {
	t.Parallel()
	pgtest.EachMajor(t, func(t *testing.T, c *pgtest.Cluster) {
		d := c.New(t)
		app, other, owner := d.AppRole(t), d.Role(t, "other", "LOGIN"), d.Role(t, "sealer", "NOLOGIN")
		d.Exec(t, fmt.Sprintf(`alter default privileges grant all on tables to %[1]s, %[2]s;
			alter default privileges grant all on functions to %[2]s`, app, other))
		conn := d.Conn(t, d.URL)
		o := seal.InstallOptions{Owner: owner, Applications: []string{app}}
		must(t, seal.Install(t.Context(), conn, o))
		must(t, seal.AddKey(t.Context(), conn, seal.NewKey(), seal.KeyOptions{}))
		first := privileges(t, conn)
		want := []string{"current_fact " + app, "current_fact " + owner, "current_tenant " + app, "current_tenant " + owner,
			"enter " + app, "enter " + owner, "seal_key " + owner}
		slices.Sort(want)
		if diff := cmp.Diff(want, first); diff != "" {
			t.Errorf("privileges (-want +got):\n%s", diff)
		}
		must(t, seal.Install(t.Context(), conn, o))
		if diff := cmp.Diff(first, privileges(t, conn)); diff != "" {
			t.Errorf("a second install changes (-first +second):\n%s", diff)
		}
		keys, err := seal.Keys(t.Context(), conn)
		must(t, err)
		if len(keys) != 1 || !keys[0].Valid {
			t.Errorf("keys after the second install: %+v", keys)
		}
		d.Exec(t, fmt.Sprintf("alter default privileges revoke all on tables from %[1]s, %[2]s; alter default privileges "+
			"revoke all on functions from %[2]s", app, other))
	})
}

// privileges lists who may do anything with what sealed mode installs, the table's
// own owner left out.
func privileges(t *testing.T, conn *pgx.Conn) []string {
	t.Helper()
	rows, err := conn.Query(t.Context(), `
		select distinct p.proname || ' ' || case when x.grantee = 0 then 'PUBLIC' else pg_get_userbyid(x.grantee) end
		from pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) x where p.pronamespace =
			'moat'::regnamespace
		union select distinct c.relname || ' ' || case when x.grantee = 0 then 'PUBLIC' else pg_get_userbyid(x.grantee) end
		from pg_class c, aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) x where c.oid =
			'moat.seal_key'::regclass and x.grantee <> c.relowner
		order by 1`)
	must(t, err)
	got, err := pgx.CollectRows(rows, pgx.RowTo[string])
	must(t, err)
	slices.Sort(got)
	return got
}

// Managed PostgreSQL has no superuser: a role that may create roles and schemas is
// enough. The functions then stay in the leader of a parallel plan.
func TestInstallWithoutSuperuser(t *testing.T) {
	t.Parallel()
	pgtest.EachMajor(t, func(t *testing.T, c *pgtest.Cluster) {
		d := c.New(t)
		admin, app := d.Role(t, "admin", "LOGIN CREATEROLE"), d.AppRole(t)
		d.Exec(t, fmt.Sprintf(`grant create on database %s to %s; create schema app authorization %[2]s`, d.Name, admin))
		owner := admin + "_sealer"
		d.Adopt(owner)
		conn := d.Conn(t, d.As(t, admin))
		o := seal.InstallOptions{Owner: owner, Applications: []string{app}}
		must(t, seal.Install(t.Context(), conn, o))
		must(t, seal.Install(t.Context(), conn, o))
		key := seal.NewKey()
		must(t, seal.AddKey(t.Context(), conn, key, seal.KeyOptions{}))
		_, err := conn.Exec(t.Context(), fmt.Sprintf(`create table app.leads (tenant_id uuid, id int, primary key
			(tenant_id, id)); insert into app.leads values ('%s', 1), ('%s', 2);
			create policy tenant_isolation on app.leads 
				using (tenant_id = (select nullif(current_setting('app.current_tenant', true), '')::uuid));
			alter table app.leads enable row level security, force row level security; grant usage on schema app to %s;
				grant select on app.leads to %[3]s`, tenantA, tenantB, app))
		must(t, err)
		_, err = seal.Switch(t.Context(), conn, seal.Sealed, nil)
		must(t, err)
		f := &fixture{Database: d, App: d.As(t, app), Key: key}
		if n := count(t, f.openSealed(t, 1), as(tenantA), "select sum(id) from app.leads"); n != 1 {
			t.Errorf("A sees rows with the sum %d, want 1", n)
		}
		var member bool
		must(t, conn.QueryRow(t.Context(), "select pg_has_role($1, 'USAGE')", owner).Scan(&member))
		if member {
			t.Error("whoever installed is still a member of the functions' owner")
		}
		_, err = seal.Switch(t.Context(), conn, seal.Plain, nil)
		must(t, err)
		must(t, seal.Uninstall(t.Context(), conn, o))
	})
}

// What installing granted goes with it, so that the role can be dropped; what others granted
// stays of use.
func TestUninstallTakesTheSchemaBack(t *testing.T) {
	t.Parallel()
	for grant, keeps := range map[string]bool{"": false, "grant select on moat.kept to {app}": true,
		"grant update (a) on moat.kept to {app}":                             true,
		"create function moat.kept() returns int language sql as 'select 1'": true} {
		d := pgtest.New(t)
		app, owner := d.AppRole(t), d.Role(t, "sealer", "NOLOGIN")
		o := seal.InstallOptions{Owner: owner, Applications: []string{app}}
		d.Exec(t, "create schema moat; create table moat.kept (a int primary key);"+strings.ReplaceAll(grant, "{app}", app))
		conn := d.Conn(t, d.URL)
		must(t, seal.Install(t.Context(), conn, o))
		must(t, seal.Uninstall(t.Context(), conn, o))
		var kept bool
		must(t, conn.QueryRow(t.Context(), "select has_schema_privilege($1, 'moat', 'usage')", app).Scan(&kept))
		if kept != keeps {
			t.Errorf("after %q the role keeps the schema: %t, want %t", grant, kept, keeps)
		}
	}
}

// Two databases of a server are sealed at the same moment: their role is one.
func TestInstallBesideAnother(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	app, owner := d.AppRole(t), "beside_"+d.Name
	d.Adopt(owner)
	other, err := d.Conn(t, d.URL).Begin(t.Context())
	must(t, err)
	_, err = other.Exec(t.Context(), "create role "+owner+" nologin")
	must(t, err)
	done := make(chan error)
	go func() {
		done <- seal.Install(t.Context(), d.Conn(t, d.URL), seal.InstallOptions{Owner: owner, Applications: []string{app}})
	}()
	waiting := d.Conn(t, d.URL)
	for n := 0; n == 0; time.Sleep(5 * time.Millisecond) {
		must(t, waiting.QueryRow(t.Context(), "select count(*) from pg_stat_activity where datname = current_database() "+
			"and wait_event_type = 'Lock'").Scan(&n))
	}
	must(t, other.Commit(t.Context()))
	must(t, <-done)
}

func TestInstallRefusesWhatIsNotSafe(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]string{
		"owner may log in":                 "alter role {owner} login",
		"owner passes by":                  "alter role {owner} bypassrls",
		"application is a member of it":    "grant {owner} to {app}",
		"application may create in schema": "create schema moat; grant create on schema moat to {app}",
		"application owns the schema":      "create schema moat authorization {app}",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := pgtest.New(t)
			app, owner := d.AppRole(t), d.Role(t, "sealer", "NOLOGIN")
			d.Exec(t, strings.NewReplacer("{owner}", owner, "{app}", app).Replace(prepare))
			if err := seal.Install(t.Context(), d.Conn(t, d.URL),
				seal.InstallOptions{Owner: owner, Applications: []string{app}}); err == nil {
				t.Error("it was installed")
			}
		})
	}
	if _, err := seal.InstallSQL(seal.InstallOptions{}); err == nil {
		t.Error("it can be installed for nobody")
	}
}

func TestUninstallWaitsForTheSwitch(t *testing.T) {
	t.Parallel()
	f := newSealed(t, pgtest.Shared(t))
	if err := seal.Uninstall(t.Context(), f.admin, f.install()); err == nil {
		t.Fatal("the functions went away under sealed policies")
	}
	if n := count(t, f.openSealed(t, 1), as(tenantA), "select count(*) from app.leads"); n != 20 {
		t.Errorf("%d rows after the refused uninstall, want 20", n)
	}
	f.switchTo(t, seal.Plain)
	must(t, seal.Uninstall(t.Context(), f.admin, f.install()))
	var left int
	must(t, f.admin.QueryRow(t.Context(), "select count(*) from pg_namespace where nspname = 'moat'").Scan(&left))
	if left != 0 {
		t.Error("schema moat is left, and empty")
	}
	must(t, f.admin.QueryRow(t.Context(), "select count(*) from pg_roles where rolname = $1", f.Owner).Scan(&left))
	if left != 0 {
		t.Error("the functions' owner is left")
	}
	if n := count(t, f.open(t, 1, moat.Options{}), as(tenantA), "select count(*) from app.leads"); n != 20 {
		t.Errorf("%d rows in plain mode, want 20", n)
	}
}

// Switching there and back leaves the policies as they were, byte for byte.
func TestSwitchThereAndBack(t *testing.T) {
	t.Parallel()
	pgtest.EachMajor(t, func(t *testing.T, c *pgtest.Cluster) {
		f := newFixture(t, c)
		f.Exec(t, fmt.Sprintf(`create role %[1]s_def nologin bypassrls; grant usage on schema app to %[1]s_def;
			grant select on app.leads to %[1]s_def;
			create function app.helper() returns uuid language sql stable as $$ select
				nullif(current_setting('app.current_tenant', true), '')::uuid $$;
			create policy helped on app.notes as restrictive to public using (tenant_id = (select app.helper()));
			create function app.search(text) returns setof app.leads language plpgsql stable security definer set search_path =
				pg_catalog, pg_temp as
				$$ begin return query select l.* from app.leads l
					where l.tenant_id = nullif(current_setting('app.current_tenant', true), '')::uuid and l.name ilike $1; end $$;
			alter function app.search(text) owner to %[1]s_def;
				grant execute on function app.search(text), app.helper() to %[1]s;
			create function app.report() returns text language sql as $$ select current_setting('app.current_tenant', true) $$`,
			f.Role))
		f.Adopt(f.Role + "_def")
		before := definitions(t, f)
		to := f.switchTo(t, seal.Sealed)
		if diff := cmp.Diff([]string{"app.events tenant_isolation", "app.leads tenant_isolation",
			"app.notes tenant_isolation"}, to.Policies); diff != "" {
			t.Errorf("policies (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"app.helper()", "app.search(text)"}, to.Functions); diff != "" {
			t.Errorf("functions (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"app.report()"}, to.Left); diff != "" {
			t.Errorf("left (-want +got):\n%s", diff)
		}
		db := f.openSealed(t, 1)
		if n := count(t, db, as(tenantA),
			"select count(*) from app.search('%') s, app.notes n where n.lead_id = s.id"); n != 20 {
			t.Errorf("sealed search: %d rows, want 20", n)
		}
		if n := count(t, db, as(tenantA), fmt.Sprintf("select count(*) from (select set_config('app.current_tenant', '%s', "+
			"true) as s offset 0) c, lateral (select name from app.search('B-%%') where c.s <> '' offset 0) l",
			tenantB)); n != 0 {
			t.Errorf("a forged setting shows %d rows through the search function", n)
		}
		if again := f.switchTo(t, seal.Sealed); len(again.Policies)+len(again.Functions) > 0 {
			t.Errorf("a second switch changed %v %v", again.Policies, again.Functions)
		}
		f.switchTo(t, seal.Plain)
		if diff := cmp.Diff(before, definitions(t, f)); diff != "" {
			t.Errorf("there and back (-before +after):\n%s", diff)
		}
	})
}

func definitions(t *testing.T, f *fixture) string {
	t.Helper()
	var text string
	must(t, f.admin.QueryRow(t.Context(), `select string_agg(d, E'\n' order by d) from (
		select polrelid::regclass || polname || pg_get_expr(polqual, polrelid) || pg_get_expr(polwithcheck, polrelid) as d
			from pg_policy where polwithcheck is not null
		union all select pg_get_functiondef(oid) from pg_proc where pronamespace = 'app'::regnamespace) s`).Scan(&text))
	return text
}

func TestSwitchRefusesWhatWouldBreak(t *testing.T) {
	t.Parallel()
	f := newFixture(t, pgtest.Shared(t))
	reporter := f.secondRole(t)
	f.Exec(t, "grant usage on schema app to "+reporter+"; grant select on app.leads to "+reporter)
	_, err := seal.Switch(t.Context(), f.admin, seal.Sealed, nil)
	var roles *seal.RolesError
	if !errors.As(err, &roles) || !slices.Equal(roles.Roles, []string{reporter}) {
		t.Errorf("with a role that may not call the function: %v", err)
	}
	f.Exec(t, "revoke select on app.leads from "+reporter)
	must(t, seal.RetireKey(t.Context(), f.admin, f.Key.ID(), keyEpoch))
	if _, err := seal.Switch(t.Context(), f.admin, seal.Sealed, nil); !errors.Is(err, seal.ErrNoKey) {
		t.Errorf("without a valid key: %v", err)
	}
	bare := pgtest.New(t)
	if _, err := seal.Switch(t.Context(), bare.Conn(t, bare.URL), seal.Sealed, nil); !errors.Is(err,
		seal.ErrNotInstalled) {
		t.Errorf("not installed: %v", err)
	}
	if n := count(t, f.open(t, 1, moat.Options{}), as(tenantA), "select count(*) from app.leads"); n != 20 {
		t.Errorf("%d rows after refused switches, want 20", n)
	}
}
