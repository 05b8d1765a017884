package proxy_test

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/proxy"
	"github.com/moat-db/moat/seal"
)

// newSealed is a fixture in sealed mode.
func newSealed(t testing.TB, d *pgtest.Database) *fixture {
	t.Helper()
	key := seal.NewKey()
	sealer, err := seal.New(key.Signer(), nil)
	if err != nil {
		t.Fatal(err)
	}
	f := newFixture(t, d, func(c *proxy.Config) { c.Options.Sealer = sealer })
	admin, err := pgx.Connect(t.Context(), d.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(context.Background())
	owner := f.role + "_sealer" // roles are cluster-wide
	d.Adopt(owner)
	for _, err := range []error{
		seal.Install(t.Context(), admin, seal.InstallOptions{Owner: owner, Applications: []string{f.role}}),
		seal.AddKey(t.Context(), admin, key, seal.KeyOptions{}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := seal.Switch(t.Context(), admin, seal.Sealed, nil); err != nil {
		t.Fatal(err)
	}
	return f
}

// In sealed mode SQL of the client's own cannot change the tenant, however it is sent.
func TestSealed(t *testing.T) {
	t.Parallel()
	pgtest.EachMajor(t, func(t *testing.T, c *pgtest.Cluster) {
		f := newSealed(t, c.New(t))
		for _, mode := range modes {
			conn := f.connect(t, "A", mode)
			want(t, "all", names(t, conn, allNames), "a1 a2")
			tx, err := conn.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			want(t, "in a transaction", names(t, tx, allNames), "a1 a2")
			_, _ = tx.Exec(t.Context(), "select set_config('app.current_tenant', '"+string(tenantB)+"', true)")
			want(t, "after set_config", names(t, tx, allNames), "a1 a2")
			_ = tx.Rollback(t.Context())
		}
		session := f.connect(t, "A", pgx.QueryExecModeExec)
		for _, sql := range []string{"set app.current_tenant = '" + string(tenantB) + "'", "set moat.sealed = 'x'",
			"deallocate all", "discard all"} {
			_, _ = session.Exec(t.Context(), sql)
			want(t, sql, names(t, session, allNames), "a1 a2")
		}
		conn := f.connect(t, "A", pgx.QueryExecModeSimpleProtocol).PgConn()
		for _, sql := range []string{"begin; select 1 / 0", "rollback; " + allNames, "begin; savepoint s; select 1 / 0",
			"rollback to s; " + allNames + "; commit"} {
			results, _ := conn.Exec(t.Context(), sql).ReadAll()
			if strings.HasPrefix(sql, "rollback") && len(results[1].Rows) != 2 {
				t.Errorf("%s: %d rows", sql, len(results[1].Rows))
			}
		}
		results, err := conn.Exec(t.Context(), "select 1; commit; set app.current_tenant = '"+string(tenantB)+
			"'; select count(*) from leads where name like 'b%'").ReadAll()
		if err != nil || string(results[len(results)-1].Rows[0][0]) != "0" {
			t.Errorf("after a COMMIT inside a string: %v, %v", results, err)
		}
	})
}
