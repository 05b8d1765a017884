package seal_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/seal"
)

const (
	tenantA = moat.Tenant("aaaaaaaa-0000-4000-8000-000000000001")
	tenantB = moat.Tenant("bbbbbbbb-0000-4000-8000-000000000002")
)

// secretB is in every text of a row of B: an answer that holds it is a leak.
const secretB = "B-SECRET"

// schema is the policy of the documentation on a table, one that points at it, and a
// partitioned one, which has the direct form. %[1]s is the application role.
const schema = `
create schema app;
grant usage on schema app to %[1]s;
create table app.leads (
	tenant_id uuid not null default (nullif(current_setting('app.current_tenant', true), '')::uuid),
	id bigint not null,
	name text not null,
	primary key (tenant_id, id)
);
create table app.notes (
	tenant_id uuid not null default (nullif(current_setting('app.current_tenant', true), '')::uuid),
	id bigint not null,
	lead_id bigint not null,
	body text not null,
	primary key (tenant_id, id),
	foreign key (tenant_id, lead_id) references app.leads (tenant_id, id) on delete cascade
);
create table app.events (
	tenant_id uuid not null default (nullif(current_setting('app.current_tenant', true), '')::uuid),
	id bigint not null,
	kind text not null,
	primary key (tenant_id, id)
) partition by hash (tenant_id);
create table app.events_0 partition of app.events for values with (modulus 2, remainder 0);
create table app.events_1 partition of app.events for values with (modulus 2, remainder 1);
do $do$
declare
	t text;
begin
	foreach t in array array['leads', 'notes'] loop
		execute format($p$create policy tenant_isolation on app.%%I as restrictive for all to public
			using      (tenant_id = (select nullif(current_setting('app.current_tenant', true), '')::uuid))
			with check (tenant_id = (select nullif(current_setting('app.current_tenant', true), '')::uuid))$p$, t);
	end loop;
	create policy tenant_isolation on app.events as restrictive for all to public
		using      (tenant_id = nullif(current_setting('app.current_tenant', true), '')::uuid)
		with check (tenant_id = nullif(current_setting('app.current_tenant', true), '')::uuid);
	foreach t in array array['leads', 'notes', 'events'] loop
		execute format('create policy tenant_access on app.%%I as permissive for all
			to %[1]s using (true) with check (true)', t);
		execute format('grant select, insert, update, delete on app.%%I to %[1]s', t);
	end loop;
	foreach t in array array['leads', 'notes', 'events', 'events_0', 'events_1'] loop
		execute format('alter table app.%%I enable row level security, force row level security', t);
	end loop;
end
$do$;
insert into app.leads select '%[2]s', i, 'a-' || i from generate_series(1, 20) i;
insert into app.leads select '%[3]s', i, 'B-SECRET-' || i from generate_series(1, 20) i;
insert into app.notes select tenant_id, id, id, 'note of ' || name from app.leads;
insert into app.events select tenant_id, id, 'event of ' || name from app.leads;
`

// fixture is a database with sealed mode installed, a key in it, and the policies
// still plain.
type fixture struct {
	*pgtest.Database
	Role  string
	App   string // the application role's URL
	Owner string
	Key   seal.Key
	admin *pgx.Conn
}

func newFixture(t testing.TB, c *pgtest.Cluster) *fixture {
	t.Helper()
	d := c.New(t)
	f := &fixture{Database: d, Role: d.AppRole(t), Key: seal.NewKey()}
	f.Owner = d.Role(t, "sealer", "NOLOGIN")
	f.App = d.As(t, f.Role)
	d.Exec(t, fmt.Sprintf(schema, f.Role, tenantA, tenantB))
	f.admin = d.Conn(t, d.URL)
	must(t, seal.Install(t.Context(), f.admin, f.install()))
	must(t, seal.AddKey(t.Context(), f.admin, f.Key, seal.KeyOptions{}))
	return f
}

// newSealed is a fixture whose policies are sealed.
func newSealed(t testing.TB, c *pgtest.Cluster) *fixture {
	t.Helper()
	f := newFixture(t, c)
	f.switchTo(t, seal.Sealed)
	return f
}

func (f *fixture) install() seal.InstallOptions {
	return seal.InstallOptions{Owner: f.Owner, Applications: []string{f.Role}}
}

func (f *fixture) switchTo(t testing.TB, m seal.Mode) seal.Switched {
	t.Helper()
	s, err := seal.Switch(t.Context(), f.admin, m, nil)
	must(t, err)
	return s
}

func (f *fixture) sealer(t testing.TB, o *seal.Options) *seal.Sealer {
	t.Helper()
	return sealerOf(t, f.Key, o)
}

func sealerOf(t testing.TB, k seal.Key, o *seal.Options) *seal.Sealer {
	t.Helper()
	s, err := seal.New(k.Signer(), o)
	must(t, err)
	return s
}

// open opens a DB as the application role, with a pool of the given size.
func (f *fixture) open(t testing.TB, size int32, o moat.Options) *moat.DB {
	t.Helper()
	o.MaxConns = size
	db, err := moat.Open(context.Background(), f.App, &o)
	must(t, err)
	t.Cleanup(db.Close)
	return db
}

// openSealed opens a DB that binds by signature.
func (f *fixture) openSealed(t testing.TB, size int32) *moat.DB {
	t.Helper()
	return f.open(t, size, moat.Options{Sealer: f.sealer(t, nil)})
}

func as(tenant moat.Tenant) context.Context {
	return moat.WithScope(context.Background(), moat.Scope{Tenant: tenant})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// count runs a statement that returns one number.
func count(t testing.TB, db *moat.DB, ctx context.Context, sql string) int {
	t.Helper()
	var n int
	must(t, db.QueryRow(ctx, sql).Scan(&n))
	return n
}

// secondRole is a second login role, which sealed mode knows nothing of.
func (f *fixture) secondRole(t testing.TB) string {
	t.Helper()
	return f.Database.Role(t, "reporter", "LOGIN")
}

// keyEpoch is a time in the past.
var keyEpoch = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
