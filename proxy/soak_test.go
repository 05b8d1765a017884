package proxy_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/proxy"
)

var soakOperations = flag.Int("operations", 10_000, "operations of TestSoak; -short: a tenth")

const soakTenants, soakClients = 50, 16

// soak is what the clients share: what was acknowledged, and what must never be there.
type soak struct {
	*fixture
	admin                         *pgx.Conn
	adminMu                       sync.Mutex
	done, foreign, stray, refused atomic.Int64
	nextID                        atomic.Int64

	mu           sync.Mutex
	acknowledged map[int64]moat.Tenant
}

func soakTenant(n int) moat.Tenant {
	return moat.Tenant(fmt.Sprintf("00000000-0000-4000-8000-%012d", n))
}

// Clients of many tenants, some with connections of their own, some in one pool, read and
// write while statements fail, are cancelled and pipelined, and connections are killed on
// either side. No row of another is seen, no answer goes to another question, and what was
// acknowledged is there.
func TestSoak(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestPoolSharesNothing
	operations := *soakOperations
	if testing.Short() {
		operations /= 10
	}
	pgtest.EachMajor(t, func(t *testing.T, c *pgtest.Cluster) {
		d := c.New(t)
		s := &soak{acknowledged: map[int64]moat.Tenant{}}
		s.nextID.Store(1000)
		s.fixture = newFixture(t, d, func(c *proxy.Config) {
			c.Verify, c.Connections, c.TenantConnections = soakVerify, 24, 8
		})
		s.Exec(t, "insert into leads (tenant_id, id, name) select "+
			"('00000000-0000-4000-8000-' || lpad(t::text, 12, '0'))::uuid, i, 'x' from generate_series(0, 49) t, "+
			"generate_series(1, 3) i")
		s.admin = d.Conn(t, d.URL)
		var clients sync.WaitGroup
		for i := range soakClients {
			clients.Go(func() { s.client(t, rand.New(rand.NewPCG(uint64(i), 11)), operations/soakClients) })
		}
		clients.Wait()
		s.judge(t, operations)
	})
}

func soakVerify(_ context.Context, token, _ string) (proxy.Caller, error) {
	if token == "service" {
		return proxy.Caller{Pool: true}, nil
	}
	var n int
	if _, err := fmt.Sscanf(token, "T%d", &n); err != nil {
		return proxy.Caller{}, err
	}
	return proxy.Caller{Scope: moat.Scope{Tenant: soakTenant(n)},
		Admit: func(_ context.Context, s moat.Scope) (moat.Scope, error) { return s, nil }}, nil
}

// judge compares what is there with what the clients were told.
func (s *soak) judge(t *testing.T, operations int) {
	t.Helper()
	rows, err := s.admin.Query(t.Context(), "select id, tenant_id::text, name from leads where id > 1000")
	if err != nil {
		t.Fatal(err)
	}
	there := map[int64]moat.Tenant{}
	var id int64
	var tenant, name string
	lost, wrong := 0, 0
	_, err = pgx.ForEachRow(rows, []any{&id, &tenant, &name}, func() error {
		there[id] = moat.Tenant(tenant)
		if name != tenant {
			wrong++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for id, tenant := range s.acknowledged {
		if there[id] != tenant {
			lost++
		}
	}
	t.Logf("%d operations, %d ended by a killed connection or a cancel, %d writes acknowledged: %d foreign rows, "+
		"%d strayed answers, %d lost, %d wrong", s.done.Load(), s.refused.Load(), len(s.acknowledged), s.foreign.Load(),
		s.stray.Load(), lost, wrong)
	if s.foreign.Load()+s.stray.Load() != 0 || lost+wrong != 0 {
		t.Error("rows of others, strayed answers, lost or wrong writes")
	}
	if s.done.Load()-s.refused.Load() < int64(operations)*3/4 || len(s.acknowledged) < operations/10 {
		t.Error("too little was done to show anything")
	}
}

// client does operations, on a new connection whenever the last was killed.
func (s *soak) client(t *testing.T, r *rand.Rand, operations int) {
	for n := 0; n < operations && t.Context().Err() == nil; {
		pool := r.IntN(2) == 0
		tenant := r.IntN(soakTenants)
		token := fmt.Sprint("T", tenant)
		if pool {
			token = "service"
		}
		conn, err := s.dial(t, token, modes[r.IntN(len(modes))])
		if err != nil {
			time.Sleep(5 * time.Millisecond) // all connections are in use for the moment
			continue
		}
		for range 20 + r.IntN(200) {
			if pool {
				tenant = r.IntN(soakTenants)
			}
			n++
			s.done.Add(1)
			if err := s.operation(t, r, conn, tenant, pool); err != nil && code(err) != "22012" {
				s.refused.Add(1)
			}
			if conn.IsClosed() || n >= operations {
				break
			}
		}
		_ = conn.Close(context.Background())
	}
}

func (s *soak) dial(t *testing.T, token string, mode pgx.QueryExecMode) (*pgx.Conn, error) {
	c, err := pgx.ParseConfig(s.url(token))
	if err != nil {
		return nil, err
	}
	c.DefaultQueryExecMode = mode
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	return pgx.ConnectConfig(ctx, c)
}

// runner is a connection or a transaction.
type runner interface {
	querier
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
}

// operation is one of what clients do, and the error that ended it.
func (s *soak) operation(t *testing.T, r *rand.Rand, conn *pgx.Conn, tenant int, pool bool) error {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	switch r.IntN(60) {
	case 0:
		return s.kill(ctx, conn)
	case 1:
		return conn.PgConn().Conn().Close()
	case 2:
		go func() { time.Sleep(time.Millisecond); _ = conn.PgConn().CancelRequest(context.WithoutCancel(ctx)) }()
	}
	if !pool && r.IntN(3) > 0 {
		return s.work(ctx, r, conn, soakTenant(tenant), func(write func()) { write() })
	}
	return s.transaction(ctx, r, conn, tenant, pool)
}

// kill ends the client's server connection, sometimes in the middle of a statement.
func (s *soak) kill(ctx context.Context, conn *pgx.Conn) error {
	var pid int
	if err := conn.QueryRow(ctx, "select pg_backend_pid()").Scan(&pid); err != nil {
		return err
	}
	s.adminMu.Lock()
	defer s.adminMu.Unlock()
	_, err := s.admin.Exec(ctx, "select pg_terminate_backend($1)", pid)
	return err
}

func (s *soak) transaction(ctx context.Context, r *rand.Rand, conn *pgx.Conn, tenant int, pool bool) error {
	tx, err := conn.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(ctx) }()
	if pool {
		if _, err := tx.Exec(ctx, fmt.Sprintf("set local moat.tenant_token = 'T%d'", tenant)); err != nil {
			return err
		}
	}
	var writes []func()
	for range 1 + r.IntN(3) {
		err := s.work(ctx, r, tx, soakTenant(tenant), func(write func()) { writes = append(writes, write) })
		if err != nil {
			return err
		}
	}
	if r.IntN(4) == 0 {
		return tx.Rollback(ctx)
	}
	if err := tx.Commit(ctx); err != nil {
		return err
	}
	for _, write := range writes {
		write()
	}
	return nil
}

// work reads, writes, or does both in a pipeline. done is given what is to be noted once
// the write is acknowledged.
func (s *soak) work(ctx context.Context, r *rand.Rand, q runner, tenant moat.Tenant, done func(func())) error {
	echo := r.Int32()
	switch r.IntN(5) {
	case 0, 1:
		return s.read(ctx, q, tenant, echo)
	case 2:
		return s.write(ctx, q, tenant, done)
	case 3:
		return s.pipeline(ctx, q, tenant, echo, done)
	}
	rows, err := q.Query(ctx, "select 1 / (id - id) from leads")
	if err == nil {
		rows.Close()
		err = rows.Err()
	}
	if err == nil {
		s.stray.Add(1)
	}
	return err
}

// readSQL echoes a number, so that an answer to another question shows.
const readSQL = "select tenant_id::text, $1::int4 from leads where id < 4 order by id"

func (s *soak) read(ctx context.Context, q runner, tenant moat.Tenant, echo int32) error {
	rows, err := q.Query(ctx, readSQL, echo)
	if err != nil {
		return err
	}
	return s.look(rows, tenant, echo)
}

func (s *soak) look(rows pgx.Rows, tenant moat.Tenant, echo int32) error {
	var seen string
	var number int32
	n := 0
	_, err := pgx.ForEachRow(rows, []any{&seen, &number}, func() error {
		n++
		if seen != string(tenant) {
			s.foreign.Add(1)
		}
		if number != echo {
			s.stray.Add(1)
		}
		return nil
	})
	if err == nil && n != 3 {
		s.stray.Add(1)
	}
	return err
}

func (s *soak) write(ctx context.Context, q runner, tenant moat.Tenant, done func(func())) error {
	id := s.nextID.Add(1)
	rows, err := q.Query(ctx, "insert into leads (id, name) values ($1, $2) returning id", id, string(tenant))
	if err != nil {
		return err
	}
	got, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[int64])
	if err != nil {
		return err
	}
	if got != id {
		s.stray.Add(1)
	}
	done(func() { s.note(id, tenant) })
	return nil
}

func (s *soak) note(id int64, tenant moat.Tenant) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.acknowledged[id] = tenant
}

func (s *soak) pipeline(ctx context.Context, q runner, tenant moat.Tenant, echo int32, done func(func())) error {
	id := s.nextID.Add(1)
	b := &pgx.Batch{}
	b.Queue(readSQL, echo)
	b.Queue("insert into leads (id, name) values ($1, $2)", id, string(tenant))
	b.Queue(readSQL, echo+1)
	results := q.SendBatch(ctx, b)
	err := func() error {
		rows, err := results.Query()
		if err != nil {
			return err
		}
		if err := s.look(rows, tenant, echo); err != nil {
			return err
		}
		if _, err := results.Exec(); err != nil {
			return err
		}
		if rows, err = results.Query(); err != nil {
			return err
		}
		return s.look(rows, tenant, echo+1)
	}()
	if err = errors.Join(err, results.Close()); err != nil {
		return err
	}
	done(func() { s.note(id, tenant) })
	return nil
}
