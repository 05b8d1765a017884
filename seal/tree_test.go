package seal_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/seal"
)

// treeSchema puts B below A, and gives the leads a wall for each role. %[1]s is the
// application role, %[2]s the tree's.
const treeSchema = `
create table moat.tenant_tree (ancestor uuid not null, tenant uuid not null, depth int not null,
	primary key (ancestor, tenant));
insert into moat.tenant_tree values ('%[3]s', '%[3]s', 0), ('%[3]s', '%[4]s', 1), ('%[4]s', '%[4]s', 0);
alter table moat.tenant_tree enable row level security;
alter table moat.tenant_tree force row level security;
create policy tenant_tree_own on moat.tenant_tree for select to public
	using (ancestor = (select nullif(current_setting('app.current_tenant', true), '')::uuid));
drop policy tenant_isolation on app.leads;
create policy moat_roles on app.leads as restrictive for all to public using
	((select true where pg_has_role('%[1]s', 'USAGE') or pg_has_role('%[2]s', 'USAGE')) is not null);
create policy tenant_isolation on app.leads as restrictive for all to %[1]s
	using (tenant_id = (select nullif(current_setting('app.current_tenant', true), '')::uuid));
create policy tree_isolation on app.leads as restrictive for all to %[2]s
	using (tenant_id = any (array(select c.tenant from moat.tenant_tree c
		where c.ancestor = (select nullif(current_setting('app.current_tenant', true), '')::uuid))));
create policy tree_access on app.leads for select to %[2]s using (true);
grant usage on schema app, moat to %[2]s;
grant select on app.leads, moat.tenant_tree to %[2]s;
grant select on moat.tenant_tree to %[1]s;
grant %[2]s to %[1]s;
alter role %[1]s noinherit;
`

// newSealedTree is a sealed fixture with a tree, and the tree's role.
func newSealedTree(t testing.TB, c *pgtest.Cluster) (*fixture, string) {
	t.Helper()
	f := newFixture(t, c)
	role := f.Database.Role(t, "tree", "NOLOGIN")
	f.Exec(t, fmt.Sprintf(treeSchema, f.Role, role, tenantA, tenantB))
	_, err := seal.Switch(t.Context(), f.admin, seal.Sealed, nil)
	var missing *seal.RolesError
	if !errors.As(err, &missing) {
		t.Fatalf("the tree's role cannot read the tenant yet, and the switch says %v", err)
	}
	o := f.install()
	o.Applications = append(o.Applications, role)
	must(t, seal.Install(t.Context(), f.admin, o))
	if s := f.switchTo(t, seal.Sealed); len(s.Policies) != 5 { // leads' two, the closure's, notes', events'
		t.Errorf("switched %q", s.Policies)
	}
	return f, role
}

func wide(tenant moat.Tenant) context.Context {
	return moat.WithScope(context.Background(), moat.Scope{Tenant: tenant, Width: moat.Descendants})
}

func TestSealedTree(t *testing.T) {
	t.Parallel()
	pgtest.EachMajor(t, func(t *testing.T, c *pgtest.Cluster) {
		f, role := newSealedTree(t, c)
		// With a setting beside the tenant, the binding is two statements.
		for _, o := range []moat.Options{{}, {SubjectSetting: "app.subject"}} {
			o.Sealer, o.TreeRole = f.sealer(t, nil), role
			db := f.open(t, 1, o)
			const leads = "select count(*) from app.leads"
			for _, tt := range []struct {
				ctx  context.Context
				want int
			}{{wide(tenantA), 40}, {as(tenantA), 20}, {wide(tenantB), 20}, {as(tenantB), 20}, {wide(tenantA), 40}} {
				if n := count(t, db, tt.ctx, leads); n != tt.want {
					scope, _ := moat.ScopeFrom(tt.ctx)
					t.Errorf("%+v sees %d leads, want %d", scope, n, tt.want)
				}
			}
			err := db.InTx(wide(tenantA), func(tx pgx.Tx) error {
				if n := rowsIn(t, tx, leads); n != 40 {
					t.Errorf("a transaction sees %d leads, want 40", n)
				}
				return nil
			})
			must(t, err)
		}
	})
}

// Whoever runs SQL of their own may switch to the tree's role. It is no authority: it sees
// what is below the sealed tenant, and nothing without one.
func TestSealedTreeRoleIsNoAuthority(t *testing.T) {
	t.Parallel()
	f, role := newSealedTree(t, pgtest.Shared(t))
	forge := func(tx pgx.Tx, tenant moat.Tenant) int {
		_, err := tx.Exec(context.Background(), "select set_config('role', $1, true), "+
			"set_config('app.current_tenant', $2, true)", role, string(tenant))
		must(t, err)
		return rowsIn(t, tx, "select count(*) from app.leads")
	}
	db := f.openSealed(t, 1)
	must(t, db.InTx(as(tenantB), func(tx pgx.Tx) error {
		if n := forge(tx, tenantA); n != 20 {
			t.Errorf("B, forging A, sees %d leads under the tree's role, want its own 20", n)
		}
		return nil
	}))
	must(t, pgx.BeginFunc(t.Context(), f.Conn(t, f.App), func(tx pgx.Tx) error {
		if n := forge(tx, tenantA); n != 0 {
			t.Errorf("nobody, forging A, sees %d leads", n)
		}
		return nil
	}))
}
