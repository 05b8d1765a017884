package pool_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/prove"
	"github.com/moat-db/moat/prove/internal/shop"
	"github.com/moat-db/moat/prove/pool"
	"github.com/moat-db/moat/prove/provetest"
)

// crowd fills the leads of many tenants.
const crowd = `
INSERT INTO app.tenants SELECT ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid,
	'tenant ' || n FROM generate_series(1, 200) n;
INSERT INTO app.leads (tenant_id, email) SELECT id, 'lead' || n || '@' || name FROM app.tenants, generate_series(1, 5)
	n;
`

func crowdTenants() []moat.Tenant {
	out := make([]moat.Tenant, 200)
	for i := range out {
		out[i] = moat.Tenant(fmt.Sprintf("00000000-0000-4000-8000-%012d", i+1))
	}
	return out
}

func poolOptions() pool.Options {
	o := pool.Options{Table: "app.leads", Column: "tenant_id", Tenants: crowdTenants()}
	if testing.Short() {
		o.Borrowings = 400
	}
	return o
}

func rawPool(t *testing.T, url string, o func(*pgxpool.Config)) *pgxpool.Pool {
	t.Helper()
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	cfg.MaxConns = 3
	if o != nil {
		o(cfg)
	}
	conns, err := pgxpool.NewWithConfig(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conns.Close)
	return conns
}

// moatPool is a moat.DB over a pool that the test can borrow from too.
func moatPool(t *testing.T, url string, o moat.Options) (pool.Acquire, pool.Query) {
	t.Helper()
	conns := rawPool(t, url, func(c *pgxpool.Config) {
		if err := moat.Configure(c, o); err != nil {
			t.Fatal(err)
		}
	})
	db, err := moat.New(conns, &o)
	if err != nil {
		t.Fatal(err)
	}
	return pool.AcquireFrom(conns), func(ctx context.Context, tenant moat.Tenant, sql string) ([][]string, error) {
		return pool.Texts(db.Query(moat.WithScope(ctx, moat.Scope{Tenant: tenant}), sql))
	}
}

func TestMoatPoolIsIsolated(t *testing.T) {
	t.Parallel()
	for _, paranoid := range []bool{false, true} {
		t.Run(fmt.Sprintf("paranoid %v", paranoid), func(t *testing.T) {
			t.Parallel()
			f := shop.New(t, crowd)
			acquire, query := moatPool(t, f.As(t, f.App), moat.Options{Paranoid: paranoid})
			o := poolOptions()
			o.Hostile = paranoid
			provetest.Pool(t, acquire, query, o)
		})
	}
}

// brokenPools are ways to get it wrong that programs are known for.
var brokenPools = []struct {
	name   string
	query  func(*pgxpool.Pool) pool.Query
	attack string
}{
	{"a session-level tenant, never reset", func(conns *pgxpool.Pool) pool.Query {
		return func(ctx context.Context, tenant moat.Tenant, sql string) ([][]string, error) {
			c, err := conns.Acquire(ctx)
			if err != nil {
				return nil, err
			}
			defer c.Release()
			if _, err := c.Exec(ctx, "SELECT set_config('app.current_tenant', $1, false)", string(tenant)); err != nil {
				return nil, err
			}
			return pool.Texts(c.Query(ctx, sql))
		}
	}, "query"},
	{"a tenant set once for each connection", func(conns *pgxpool.Pool) pool.Query {
		var bound sync.Map
		return func(ctx context.Context, tenant moat.Tenant, sql string) ([][]string, error) {
			c, err := conns.Acquire(ctx)
			if err != nil {
				return nil, err
			}
			defer c.Release()
			if _, known := bound.LoadOrStore(c.Conn(), true); !known {
				if _, err := c.Exec(ctx, "SELECT set_config('app.current_tenant', $1, false)", string(tenant)); err != nil {
					return nil, err
				}
			}
			return pool.Texts(c.Query(ctx, sql))
		}
	}, "interleaved borrowings"},
	{"a reset that a failing statement skips", func(conns *pgxpool.Pool) pool.Query {
		return func(ctx context.Context, tenant moat.Tenant, sql string) ([][]string, error) {
			c, err := conns.Acquire(ctx)
			if err != nil {
				return nil, err
			}
			defer c.Release()
			if _, err := c.Exec(ctx, "SELECT set_config('app.current_tenant', $1, false)", string(tenant)); err != nil {
				return nil, err
			}
			rows, err := pool.Texts(c.Query(ctx, sql))
			if err != nil {
				return nil, err
			}
			_, err = c.Exec(ctx, "SELECT set_config('app.current_tenant', '', false)")
			return rows, err
		}
	}, "failing statement"},
}

func TestBrokenPoolsAreCaught(t *testing.T) {
	t.Parallel()
	for _, b := range brokenPools {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			f := shop.New(t, crowd)
			conns := rawPool(t, f.As(t, f.App), nil)
			expectPoolLeak(t, pool.AcquireFrom(conns), b.query(conns), poolOptions(), b.attack)
		})
	}
}

// expectPoolLeak wants a leak by the attack.
func expectPoolLeak(t *testing.T, acquire pool.Acquire, query pool.Query, o pool.Options, attack string) {
	t.Helper()
	r, err := pool.Attack(context.Background(), acquire, query, o)
	if err != nil {
		t.Fatal(err)
	}
	shop.Listed(t, prove.Pool, r)
	if p := r.Find(attack + ":pool"); p == nil || p.Verdict != prove.VerdictLeak {
		t.Errorf("%s did not leak; leaks: %v", attack, r.Leaks())
	}
}

// TestHostileBorrowersShowWithoutParanoid keeps the Paranoid option honest: without
// it, each thing that an attacker leaves is found by the next borrower.
func TestHostileBorrowersShowWithoutParanoid(t *testing.T) {
	t.Parallel()
	for _, attack := range []string{"session-level tenant", "held cursor", "temporary table", "prepared statement",
		"mailbox", "advisory lock", "listen", "search path", "statement timeout"} {
		t.Run(attack, func(t *testing.T) {
			t.Parallel()
			pgtest.Full(t, "session-level tenant")
			f := shop.New(t, crowd, "GRANT TEMPORARY ON DATABASE $DB TO $APP")
			acquire, query := moatPool(t, f.As(t, f.App), moat.Options{})
			o := poolOptions()
			o.Hostile = true
			expectPoolLeak(t, acquire, query, o, attack)
		})
	}
}

// naive is a pool that gives out whatever came back, in whatever state.
func naive(t *testing.T, url string) pool.Acquire {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	free := make(chan *pgx.Conn, 1)
	free <- conn
	return func(ctx context.Context) (*pgx.Conn, func(), error) {
		select {
		case c := <-free:
			return c, func() { free <- c }, nil
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
	}
}

// TestConnectionReturnedInATransactionIsCaught: the tenant ends with the
// transaction, and the transaction does not end.
func TestConnectionReturnedInATransactionIsCaught(t *testing.T) {
	t.Parallel()
	f := shop.New(t, crowd)
	acquire := naive(t, f.As(t, f.App))
	query := func(ctx context.Context, tenant moat.Tenant, sql string) ([][]string, error) {
		c, release, err := acquire(ctx)
		if err != nil {
			return nil, err
		}
		defer release()
		if c.PgConn().TxStatus() == 'I' {
			if _, err := c.Exec(ctx, "BEGIN"); err != nil {
				return nil, err
			}
		}
		if _, err := c.Exec(ctx, "SELECT set_config('app.current_tenant', $1, true)", string(tenant)); err != nil {
			return nil, err
		}
		return pool.Texts(c.Query(ctx, sql))
	}
	expectPoolLeak(t, acquire, query, poolOptions(), "query")
}
