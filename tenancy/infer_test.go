package tenancy_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/tenancy"
)

// snapshot loads a database without the roles of other tests: they are the cluster's,
// and one that may read or write everything is an application role in every database.
func snapshot(t *testing.T, db *pgtest.Database) *catalog.Snapshot {
	t.Helper()
	s, err := catalog.Load(t.Context(), db.Conn(t, db.URL))
	if err != nil {
		t.Fatal(err)
	}
	s.Roles = slices.DeleteFunc(s.Roles, func(r catalog.Role) bool { return db.Foreign(r.Name) })
	return s
}

// inferred loads a database and says its model in lines.
func inferred(t *testing.T, db *pgtest.Database, o tenancy.Options) (*catalog.Model, string) {
	t.Helper()
	v, err := tenancy.Infer(snapshot(t, db), o)
	if err != nil {
		t.Fatal(err)
	}
	m := v.Model
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s by %s", m.Column, m.Type, m.Setting)
	if len(m.Claim) > 0 {
		fmt.Fprintf(&b, " %s", strings.Join(m.Claim, "."))
	}
	if m.Key != "" {
		fmt.Fprintf(&b, "; %s.%s", m.Tenants, m.Key)
	}
	for _, table := range m.Tables {
		fmt.Fprintf(&b, "\n%s %s", table.Table, table.Class)
		if table.Column != "" {
			fmt.Fprintf(&b, " %s %s", table.Column, table.Type)
		}
		for _, path := range table.Paths {
			fmt.Fprintf(&b, " | %s", path)
		}
	}
	return m, b.String()
}

func TestInfer(t *testing.T) {
	t.Parallel()
	other := pgtest.New(t)
	other.Exec(t, "GRANT pg_write_all_data TO "+other.Role(t, "writer", "LOGIN"))
	for _, c := range []struct{ name, schema, want string }{
		{"nothing but columns", `CREATE SCHEMA app; CREATE TABLE app.doc (id int, tenant_id uuid);`,
			"tenant_id uuid by app.current_tenant\napp.doc tenant tenant_id uuid"},
		{"the usual", `CREATE SCHEMA app; CREATE TABLE app.tenants (id uuid PRIMARY KEY);
			CREATE TABLE app.countries (code text PRIMARY KEY);
			CREATE TABLE app.leads (id uuid PRIMARY KEY, tenant_id uuid NOT NULL REFERENCES app.tenants, country text
				REFERENCES app.countries);
			CREATE TABLE app.notes (id uuid PRIMARY KEY, lead_id uuid NOT NULL REFERENCES app.leads);
			CREATE TABLE app.files (id uuid PRIMARY KEY, note_id uuid REFERENCES app.notes);
			CREATE TABLE app.links (a uuid REFERENCES app.leads, b uuid NOT NULL REFERENCES app.leads);
			CREATE TABLE app.owners (id int, belongs_to uuid NOT NULL REFERENCES app.tenants);
			CREATE TABLE app.transfers (source uuid NOT NULL REFERENCES app.tenants, target uuid NOT NULL
				REFERENCES app.tenants);
			CREATE TABLE app.inbox (id int, body text);
			CREATE TABLE app.schema_migrations (version text);
			GRANT USAGE ON SCHEMA app TO APP; GRANT SELECT ON ALL TABLES IN SCHEMA app TO APP; GRANT INSERT ON app.inbox TO APP;
			CREATE POLICY p ON app.leads USING (tenant_id = nullif(current_setting('my.tenant', true), '')::uuid);`,
			`tenant_id uuid by my.tenant; app.tenants.id
app.countries shared
app.files child | app.files (note_id) → app.notes (lead_id) → app.leads
app.inbox unknown
app.leads tenant tenant_id uuid
app.links child | app.links (b) → app.leads | app.links (a) → app.leads
app.notes child | app.notes (lead_id) → app.leads
app.owners tenant belongs_to uuid
app.schema_migrations ignored
app.tenants tenants id uuid
app.transfers child | app.transfers (source) → app.tenants | app.transfers (target) → app.tenants`},
		{"bigint account by a helper", `CREATE SCHEMA shop; CREATE TABLE shop.accounts (id bigserial PRIMARY KEY);
			CREATE TABLE shop.customers (id bigserial PRIMARY KEY, account_id bigint NOT NULL REFERENCES shop.accounts);
			CREATE TABLE shop.orders (id bigserial PRIMARY KEY, account_id bigint NOT NULL
				REFERENCES shop.accounts, customer_id bigint REFERENCES shop.customers);
			CREATE TABLE shop.mails (id int, customer_id bigint REFERENCES shop.customers);
				CREATE TABLE shop.calls (id int, customer_id bigint REFERENCES shop.customers);
			CREATE FUNCTION shop.current_account() RETURNS bigint LANGUAGE sql STABLE AS $$
				SELECT nullif(current_setting('shop.account', true), '')::bigint $$;
			CREATE POLICY p ON shop.orders USING (account_id = (SELECT shop.current_account()));`,
			`account_id bigint by shop.account; shop.accounts.id
shop.accounts tenants id bigint
shop.calls child | shop.calls (customer_id) → shop.customers
shop.customers tenant account_id bigint
shop.mails child | shop.mails (customer_id) → shop.customers
shop.orders tenant account_id bigint`},
		{"Supabase", supabaseSchema, `org_id uuid by request.jwt.claims sub; public.orgs.id
public.members tenant org_id uuid
public.orgs tenants id uuid
public.profiles unknown
public.projects tenant org_id uuid
public.tasks child | public.tasks (project_id) → public.projects`},
		{"rows of users", `CREATE SCHEMA auth; CREATE TABLE auth.users (id uuid PRIMARY KEY);
			CREATE FUNCTION auth.uid() RETURNS uuid LANGUAGE sql STABLE AS $$
				select (current_setting('request.jwt.claims', true)::jsonb ->> 'sub')::uuid $$;
			CREATE TABLE public.todos (id int, user_id uuid NOT NULL REFERENCES auth.users);
			CREATE POLICY p ON public.todos USING (auth.uid() = user_id);`,
			"user_id uuid by request.jwt.claims sub; auth.users.id\npublic.todos tenant user_id uuid"},
		{"partitions", `CREATE TABLE public.ev (tenant_id int, at date) PARTITION BY LIST (tenant_id);
			CREATE TABLE public.ev_1 PARTITION OF public.ev DEFAULT;`,
			"tenant_id integer by app.current_tenant\npublic.ev tenant tenant_id integer\npublic.ev_1 tenant tenant_id integer"},
		{"no column yet", `CREATE TABLE public.tenants (id bigint PRIMARY KEY);
			CREATE TABLE public.users (id int PRIMARY KEY, home bigint REFERENCES public.tenants);
			CREATE TABLE public.posts (id int, author int REFERENCES public.users);`,
			`tenant_id bigint by app.current_tenant; public.tenants.id
public.posts child | public.posts (author) → public.users (home) → public.tenants
public.tenants tenants id bigint
public.users child | public.users (home) → public.tenants`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			db := pgtest.New(t)
			app := db.AppRole(t)
			db.Exec(t, strings.ReplaceAll(c.schema, "TO APP", "TO "+app))
			_, got := inferred(t, db, tenancy.Options{})
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("model (-want +got):\n%s", diff)
			}
		})
	}
}

// The column that most tables have and that refers to one table is the tenant's, whatever
// it is called and however the tables spell it.
func TestInferTheColumnOfMostTables(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestInfer
	for _, c := range []struct{ name, schema, want string }{
		{"nid", `CREATE TABLE networks (id uuid PRIMARY KEY);
			CREATE TABLE client (id int PRIMARY KEY, nid uuid NOT NULL REFERENCES networks);
			CREATE TABLE flow (id int PRIMARY KEY, nid uuid NOT NULL REFERENCES networks, client_id int REFERENCES client);
			CREATE TABLE jwk (id int PRIMARY KEY, nid uuid NOT NULL REFERENCES networks);`,
			"nid uuid; public.networks.id"},
		{"namespace, by name", `CREATE TABLE namespaces (name text PRIMARY KEY, team_id int);
			CREATE TABLE pods (id int PRIMARY KEY, namespace text NOT NULL REFERENCES namespaces, created_by int);
			CREATE TABLE jobs (id int PRIMARY KEY, namespace text NOT NULL REFERENCES namespaces, created_by int);`,
			"namespace text; public.namespaces.name"},
		{"tenantId, and tenant_id, without a key", `CREATE TABLE "Tenant" (id text PRIMARY KEY);
			CREATE TABLE "User" (id text PRIMARY KEY, "tenantId" text NOT NULL REFERENCES "Tenant");
			CREATE TABLE "Step" (id text PRIMARY KEY, "tenantId" text NOT NULL);
			CREATE TABLE v1_task (id int PRIMARY KEY, tenant_id text NOT NULL);`,
			`tenantId text; public.Tenant.id; public.v1_task by tenant_id`},
		{"shop, though customers are on the list", `CREATE TABLE shops (id bigint PRIMARY KEY);
			CREATE TABLE customers (id bigint PRIMARY KEY, shop bigint NOT NULL REFERENCES shops);
			CREATE TABLE orders (id bigint PRIMARY KEY, shop bigint NOT NULL REFERENCES shops,
				customer_id bigint REFERENCES customers);
			CREATE TABLE products (id bigint PRIMARY KEY, shop bigint NOT NULL REFERENCES shops);
			CREATE TABLE lines (id int PRIMARY KEY, order_id bigint NOT NULL REFERENCES orders);
			CREATE TABLE parcels (id int PRIMARY KEY, order_id bigint NOT NULL REFERENCES orders);
			CREATE TABLE notes (id int PRIMARY KEY, line_id int NOT NULL REFERENCES lines);
			CREATE TABLE photos (id int PRIMARY KEY, product_id bigint NOT NULL REFERENCES products);`,
			"shop bigint; public.shops.id"},
		{"space in most, account_id in two", `CREATE TABLE rooms (id int PRIMARY KEY);
			CREATE TABLE accounts (id int PRIMARY KEY);
			CREATE TABLE a (id int PRIMARY KEY, space int NOT NULL REFERENCES rooms, account_id int REFERENCES accounts);
			CREATE TABLE b (id int PRIMARY KEY, space int NOT NULL REFERENCES rooms, account_id int REFERENCES accounts);
			CREATE TABLE c (id int PRIMARY KEY, space int NOT NULL REFERENCES rooms);
			CREATE TABLE d (id int PRIMARY KEY, space int NOT NULL REFERENCES rooms);`,
			"space integer; public.rooms.id"},
		{"a tenant's own, in most tables of few", `CREATE TABLE tenants (id int PRIMARY KEY);
			CREATE TABLE leads (id int PRIMARY KEY, tenant_id int NOT NULL REFERENCES tenants);
			CREATE TABLE notes (id int PRIMARY KEY, lead_id int NOT NULL REFERENCES leads);
			CREATE TABLE items (id int PRIMARY KEY, lead_id int NOT NULL REFERENCES leads);`,
			"tenant_id integer; public.tenants.id"},
		{"not who did it", `CREATE TABLE companies (id int PRIMARY KEY, plan_id int NOT NULL);
			CREATE TABLE accounts (id int PRIMARY KEY, company_id int NOT NULL REFERENCES companies);
			CREATE TABLE a (id int PRIMARY KEY, company_id int NOT NULL REFERENCES companies,
				created_by int REFERENCES accounts);
			CREATE TABLE b (id int PRIMARY KEY, a_id int REFERENCES a, created_by int REFERENCES accounts);
			CREATE TABLE c (id int PRIMARY KEY, a_id int REFERENCES a, created_by int REFERENCES accounts);`,
			"company_id integer; public.companies.id"},
		{"a slug that knows no case", `CREATE EXTENSION citext; CREATE TABLE tenants (slug citext PRIMARY KEY);
			CREATE TABLE pages (id int PRIMARY KEY, tenant_slug citext NOT NULL REFERENCES tenants);`,
			"tenant_slug public.citext; public.tenants.slug"},
		{"two that most tables have", `CREATE TABLE x (id int PRIMARY KEY); CREATE TABLE y (id int PRIMARY KEY);
			CREATE TABLE a (id int PRIMARY KEY, x_id int REFERENCES x);
			CREATE TABLE b (id int PRIMARY KEY, x_id int REFERENCES x);
			CREATE TABLE c (id int PRIMARY KEY, y_id int REFERENCES y);
			CREATE TABLE d (id int PRIMARY KEY, y_id int REFERENCES y);`,
			"none: x_id (in 2, refers to public.x), y_id (in 2, refers to public.y)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			db := pgtest.New(t)
			db.Exec(t, c.schema)
			v, err := tenancy.Infer(snapshot(t, db), tenancy.Options{})
			got := ""
			var none *tenancy.NoTenantColumnError
			switch {
			case errors.As(err, &none):
				got = "none: " + strings.Join(none.Candidates, ", ")
			case err != nil:
				t.Fatal(err)
			default:
				got = fmt.Sprintf("%s %s; %s.%s", v.Model.Column, v.Model.Type, v.Model.Tenants, v.Model.Key)
				for _, tm := range v.Model.Tables {
					if tm.Class == catalog.TenantTable && tm.Column != v.Model.Column {
						got += fmt.Sprintf("; %s by %s", tm.Table, tm.Column)
					}
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("model (-want +got):\n%s", diff)
			}
		})
	}
}

// A table that was said to be shared is no table of tenants, whatever refers to it; and a
// table that also reaches a tenant by a key is not given to whom its other column names.
func TestInferLeavesToPeopleWhatTheySaid(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	db.Exec(t, `CREATE TABLE orgs (id int PRIMARY KEY); CREATE TABLE customers (id int PRIMARY KEY, org_id int);
		CREATE TABLE board (id int PRIMARY KEY, org_id int NOT NULL REFERENCES orgs);
		CREATE TABLE share (board_id int NOT NULL REFERENCES board, shared_with int NOT NULL REFERENCES orgs);
		CREATE TABLE p (id int, customer_id int REFERENCES customers); CREATE TABLE q (id int, customer_id int
			REFERENCES customers); CREATE TABLE r (id int, customer_id int REFERENCES customers);`)
	shared := []catalog.QName{{Schema: "public", Name: "customers"}}
	m, _ := inferred(t, db, tenancy.Options{Shared: shared})
	var got []string
	for _, tm := range m.Tables {
		got = append(got, fmt.Sprintf("%s %s %d", tm.Table.Name, tm.Class, len(tm.Paths)))
	}
	want := []string{"board tenant 0", "customers shared 0", "orgs tenants 0", "p unknown 0", "q unknown 0", "r unknown 0",
		"share child 2"}
	if diff := cmp.Diff(want, got); diff != "" || m.Column != "org_id" {
		t.Errorf("tenant column %s, classes (-want +got):\n%s", m.Column, diff)
	}
}

// supabaseSchema is shaped like the guides' multi-tenant example.
const supabaseSchema = `
CREATE SCHEMA auth; CREATE TABLE auth.users (id uuid PRIMARY KEY);
CREATE FUNCTION auth.uid() RETURNS uuid LANGUAGE sql STABLE AS $$
	select coalesce(nullif(current_setting('request.jwt.claim.sub', true), ''),
		(nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'))::uuid $$;
CREATE TABLE public.orgs (id uuid PRIMARY KEY, name text);
CREATE TABLE public.profiles (id uuid PRIMARY KEY REFERENCES auth.users, name text);
CREATE TABLE public.members (org_id uuid NOT NULL REFERENCES public.orgs, user_id uuid NOT NULL REFERENCES auth.users,
	PRIMARY KEY (org_id, user_id));
CREATE TABLE public.projects (id uuid PRIMARY KEY, org_id uuid NOT NULL REFERENCES public.orgs, name text);
CREATE TABLE public.tasks (id uuid PRIMARY KEY, project_id uuid NOT NULL REFERENCES public.projects);
CREATE FUNCTION public.my_orgs() RETURNS SETOF uuid LANGUAGE sql STABLE SECURITY DEFINER
	SET search_path = public, pg_temp AS $$ SELECT org_id FROM members WHERE user_id = auth.uid() $$;
ALTER TABLE public.orgs ENABLE ROW LEVEL SECURITY;
	ALTER TABLE public.profiles ENABLE ROW LEVEL SECURITY; ALTER TABLE public.members ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.projects ENABLE ROW LEVEL SECURITY; ALTER TABLE public.tasks ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON public.orgs FOR SELECT USING (id IN (SELECT public.my_orgs()));
CREATE POLICY p ON public.profiles USING ((SELECT auth.uid()) = id);
CREATE POLICY p ON public.members FOR SELECT USING (user_id = (SELECT auth.uid()));
CREATE POLICY p ON public.projects USING (org_id IN (SELECT public.my_orgs()));
CREATE POLICY p ON public.tasks USING (EXISTS (SELECT 1 FROM public.projects p WHERE p.id = tasks.project_id
	AND p.org_id IN (SELECT public.my_orgs())));
`

// Every policy of the Supabase schema isolates, for every command it is for.
func TestSupabaseIsolates(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	db.Exec(t, supabaseSchema)
	role := db.AppRole(t)
	look, err := tenancy.Infer(snapshot(t, db), tenancy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"orgs", "profiles", "members", "projects", "tasks"} {
		r := look.Relation(catalog.QName{Schema: "public", Name: table})
		for _, command := range []string{"SELECT", "INSERT", "UPDATE", "DELETE"} {
			if e := look.Effective(r, role, command); !e.Isolated() {
				t.Errorf("%s on %s: %+v", command, table, e)
			}
		}
	}
}

func TestInferRoles(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	names := map[string]string{}
	for name, attributes := range map[string]string{
		"direct": "LOGIN", "column": "LOGIN", "group": "NOLOGIN", "member": "LOGIN", "bypass": "LOGIN BYPASSRLS",
		"owner": "LOGIN",
		"super": "LOGIN SUPERUSER", "nothing": "LOGIN", "gate": "LOGIN NOINHERIT", "anon": "NOLOGIN",
		"service": "NOLOGIN BYPASSRLS", "viewer": "LOGIN",
	} {
		names[name] = db.Role(t, name, attributes)
	}
	sql := `CREATE SCHEMA app; CREATE TABLE app.doc (id int, tenant_id uuid); CREATE VIEW app.v AS SELECT * FROM app.doc;
		CREATE TABLE app.mine (tenant_id uuid); ALTER TABLE app.mine OWNER TO «owner»;
		GRANT SELECT ON app.doc TO «direct», «group», «bypass», «anon», «service»;
		GRANT UPDATE (id) ON app.doc TO «column»;
		GRANT SELECT ON app.v TO «viewer»; GRANT «group» TO «member»; GRANT «anon», «service» TO «gate»;`
	for name, unique := range names {
		sql = strings.ReplaceAll(sql, "«"+name+"»", unique)
	}
	db.Exec(t, sql)
	m, _ := inferred(t, db, tenancy.Options{})
	got := map[string]bool{}
	for name, unique := range names {
		for _, role := range m.Roles {
			got[name] = got[name] || role == unique
		}
	}
	want := map[string]bool{"direct": true, "column": true, "group": false, "member": true, "bypass": true, "owner": true,
		"super": false, "nothing": false, "gate": true, "anon": true, "service": false, "viewer": true}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("application roles (-want +got):\n%s", diff)
	}
	m, _ = inferred(t, db, tenancy.Options{Roles: []string{names["super"]}})
	if diff := cmp.Diff([]string{names["super"]}, m.Roles); diff != "" {
		t.Errorf("configured roles (-want +got):\n%s", diff)
	}
}

func TestInferOptionsAndErrors(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	db.Exec(t, `CREATE TABLE public.sites (id int PRIMARY KEY);
		CREATE TABLE public.pages (site_id int REFERENCES public.sites, lang text);
		CREATE TABLE public.langs (id text); CREATE TABLE public.noise (id int);`)
	s := snapshot(t, db)
	public := func(name string) catalog.QName { return catalog.QName{Schema: "public", Name: name} }
	var none *tenancy.NoTenantColumnError
	if _, err := tenancy.Infer(s, tenancy.Options{}); !errors.As(err, &none) || none.Tables != 4 ||
		!strings.Contains(err.Error(), "site_id (in 1, refers to public.sites)") {
		t.Errorf("without options: %v", err)
	}
	var missing *tenancy.NoSuchObjectError
	for _, o := range []tenancy.Options{
		{Schemas: []string{"nowhere"}}, {Shared: []catalog.QName{public("x")}}, {Ignored: []catalog.QName{public("x")}},
		{Roles: []string{"nobody"}}, {Tenants: public("x")}, {Tenants: public("sites"), Key: "x"}, {Column: "x"},
	} {
		if _, err := tenancy.Infer(s, o); !errors.As(err, &missing) {
			t.Errorf("%+v: %v", o, err)
		}
	}
	_, got := inferred(t, db, tenancy.Options{Column: "site_id", Shared: []catalog.QName{public("langs")},
		Ignored: []catalog.QName{public("noise")}, Setting: "my.site"})
	want := `site_id integer by my.site; public.sites.id
public.langs shared
public.noise ignored
public.pages tenant site_id integer
public.sites tenants id integer`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("model (-want +got):\n%s", diff)
	}
}
