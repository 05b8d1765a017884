package moat_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// treeSchema makes the tenants a tree: an agency with two clients, one of which has a
// branch, and a stranger. %[1]s is the application role, %[2]s the tree's.
const treeSchema = `
create schema moat;
create table moat.tenant_tree (ancestor uuid not null, tenant uuid not null, depth int not null,
	primary key (ancestor, tenant));
alter table moat.tenant_tree enable row level security;
alter table moat.tenant_tree force row level security;
create policy tenant_tree_own on moat.tenant_tree for select to public
	using (ancestor = (select nullif(current_setting('app.current_tenant', true), '')::uuid));
drop policy tenant_isolation on leads;
create policy moat_roles on leads as restrictive for all to public using
	((select true where pg_has_role('%[1]s', 'USAGE') or pg_has_role('%[2]s', 'USAGE')) is not null);
create policy tenant_isolation on leads as restrictive for all to %[1]s
	using (tenant_id = (select nullif(current_setting('app.current_tenant', true), '')::uuid));
create policy tree_isolation on leads as restrictive for all to %[2]s
	using (tenant_id = any (array(select c.tenant from moat.tenant_tree c
		where c.ancestor = (select nullif(current_setting('app.current_tenant', true), '')::uuid))));
create policy tree_access on leads for all to %[2]s using (true) with check (true);
grant usage on schema moat to %[1]s, %[2]s;
grant select on moat.tenant_tree to %[1]s, %[2]s;
grant select, insert, update, delete on leads to %[2]s;
grant %[2]s to %[1]s;
alter role %[1]s noinherit;
`

// The agency, its clients, a branch of the first, and a stranger.
const (
	agency   = moat.Tenant("00000000-0000-4000-8000-00000000000a")
	client1  = moat.Tenant("00000000-0000-4000-8000-0000000000a1")
	branch   = moat.Tenant("00000000-0000-4000-8000-000000000a11")
	client2  = moat.Tenant("00000000-0000-4000-8000-0000000000a2")
	stranger = moat.Tenant("00000000-0000-4000-8000-00000000000f")
)

// above lists each tenant with those above it.
var above = map[moat.Tenant][]moat.Tenant{
	agency: {agency}, client1: {client1, agency}, branch: {branch, client1, agency}, client2: {client2, agency},
	stranger: {stranger},
}

// tree is a fixture whose tenants are a tree, each with a lead named after it.
type tree struct {
	*fixture
	role string
}

func newTree(t testing.TB) *tree {
	t.Helper()
	f := newFixture(t, moat.UUID)
	role := f.Database.Role(t, "tree", "NOLOGIN")
	f.Exec(t, fmt.Sprintf(treeSchema, f.Role, role))
	for tenant, ancestors := range above {
		for depth, a := range ancestors {
			f.Exec(t, "insert into moat.tenant_tree values ($1, $2, $3)", string(a), string(tenant), depth)
		}
		f.Exec(t, "insert into leads (tenant_id, id, name) values ($1::text::uuid, 1, $1)", string(tenant))
	}
	return &tree{f, role}
}

func (f *tree) open(t testing.TB, size int32, o moat.Options) *moat.DB {
	t.Helper()
	o.TreeRole = f.role
	return f.fixture.open(t, size, o)
}

func wide(tenant moat.Tenant) context.Context {
	return moat.WithScope(context.Background(), moat.Scope{Tenant: tenant, Width: moat.Descendants})
}

const whose = "select distinct tenant_id::text from leads order by 1"

func texts(tenants ...moat.Tenant) (out []string) {
	for _, t := range tenants {
		out = append(out, string(t))
	}
	return out
}

func TestWidthSaysWhichTenantsAreSeen(t *testing.T) {
	t.Parallel()
	db := newTree(t).open(t, 1, moat.Options{})
	for _, tt := range []struct {
		ctx  context.Context
		want []string
	}{
		{wide(agency), texts(agency, client1, client2, branch)},
		{as(agency), texts(agency)},
		{wide(client1), texts(client1, branch)},
		{wide(branch), texts(branch)},
		{wide(stranger), texts(stranger)},
		{as(client1), texts(client1)},
	} {
		inTx := func(read func(context.Context, func(pgx.Tx) error) error) (got []string) {
			err := read(tt.ctx, func(tx pgx.Tx) error {
				got = names(t, tt.ctx, tx, whose)
				return nil
			})
			if err != nil {
				t.Error(err)
			}
			return got
		}
		for what, got := range map[string][]string{
			"Query": names(t, tt.ctx, db, whose), "InTx": inTx(db.InTx), "InReadTx": inTx(db.InReadTx),
		} {
			if diff := cmp.Diff(tt.want, got); diff != "" {
				scope, _ := moat.ScopeFrom(tt.ctx)
				t.Errorf("%s as %v (-want +got):\n%s", what, scope, diff)
			}
		}
	}
}

func TestWideScopeReadsByEveryDoor(t *testing.T) {
	t.Parallel()
	db := newTree(t).open(t, 1, moat.Options{})
	ctx := wide(agency)
	var n int
	if err := db.QueryRow(ctx, "select count(*) from leads").Scan(&n); err != nil || n != 4 {
		t.Errorf("QueryRow: %d, %v", n, err)
	}
	batch := &pgx.Batch{}
	var counted []int
	for range 2 {
		batch.Queue("select count(*) from leads").QueryRow(func(row pgx.Row) error {
			err := row.Scan(&n)
			counted = append(counted, n)
			return err
		})
	}
	if err := db.SendBatch(ctx, batch).Close(); err != nil || !cmp.Equal(counted, []int{4, 4}) {
		t.Errorf("SendBatch: %v, %v", counted, err)
	}
	counted = nil
	if err := db.SendBatch(as(client2), batch).Close(); err != nil || !cmp.Equal(counted, []int{1, 1}) {
		t.Errorf("the same batch, sent again by a client: %v, %v", counted, err)
	}
	err := db.InTx(ctx, func(tx pgx.Tx) error {
		var copied bytes.Buffer
		_, copyErr := tx.Conn().PgConn().CopyTo(ctx, &copied, "copy (select * from leads) to stdout")
		if copyErr != nil || strings.Count(copied.String(), "\n") != 4 {
			t.Errorf("COPY: %q, %v", copied.String(), copyErr)
		}
		if _, err := tx.Exec(ctx, "declare c cursor for select name from leads"); err != nil {
			return err
		}
		if got := names(t, ctx, tx, "fetch all from c"); len(got) != 4 {
			t.Errorf("cursor: %q", got)
		}
		inner, err := tx.Begin(ctx)
		if err != nil {
			return err
		}
		if got := names(t, ctx, inner, whose); len(got) != 4 {
			t.Errorf("savepoint: %q", got)
		}
		return inner.Rollback(ctx)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestWideScopeIsOneRoundTrip(t *testing.T) {
	t.Parallel()
	f := newTree(t)
	var trips pgtest.Trips
	db := f.open(t, 1, moat.Options{ConfigurePool: trips.Install})
	names(t, wide(agency), db, whose) // prepares
	trips.Reset()
	names(t, wide(agency), db, whose)
	if n := trips.Count(); n != 1 {
		t.Errorf("%d round trips, want 1", n)
	}
}

// A statement that serves both roles would be planned again at each change; the texts
// keep the two apart, and a name of a prepared statement is left alone.
func TestTextsAreKeptApartPerRole(t *testing.T) {
	t.Parallel()
	db := newTree(t).open(t, 1, moat.Options{})
	for range 3 {
		names(t, wide(agency), db, whose)
		names(t, as(agency), db, whose)
	}
	got := names(t, as(agency), db, `select statement from pg_prepared_statements where statement like $1 order by 1`,
		whose+"%")
	if diff := cmp.Diff([]string{whose, whose + " /* tree */"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	err := db.InTx(wide(agency), func(tx pgx.Tx) error {
		if _, err := tx.Prepare(wide(agency), "whose", whose); err != nil {
			return err
		}
		if got := names(t, wide(agency), tx, "whose"); len(got) != 4 {
			t.Errorf("prepared: %q", got)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestWideScopeReadsOnly(t *testing.T) {
	t.Parallel()
	f := newTree(t) // the role may write, as far as the database goes
	db := f.open(t, 1, moat.Options{})
	ctx := wide(agency)
	for _, sql := range []string{
		"insert into leads (tenant_id, name) values ('" + string(client1) + "', 'x')",
		"update leads set name = 'x'", "delete from leads", "select * from leads for update",
		"select set_config('transaction_read_only', 'off', true)", "set transaction read write",
	} {
		if _, err := db.Exec(ctx, sql); sqlState(err) != "25006" && sqlState(err) != "25001" {
			t.Errorf("%s: %v", sql, err)
		}
		err := db.InTx(ctx, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, sql)
			return err
		})
		if sqlState(err) != "25006" && sqlState(err) != "25001" {
			t.Errorf("%s in a transaction: %v", sql, err)
		}
	}
	if _, err := db.Exec(as(client1), "insert into leads (id, name) values (2, 'own')"); err != nil {
		t.Errorf("the next scope on the connection cannot write: %v", err)
	}
}

func TestWritesBelowNameTheirTenant(t *testing.T) {
	t.Parallel()
	f := newTree(t)
	db := f.open(t, 1, moat.Options{WritesBelow: true})
	ctx := wide(agency)
	insert := func(tenant moat.Tenant) error {
		_, err := db.Exec(ctx, "insert into leads (tenant_id, id, name) values ($1, 2, 'below')", string(tenant))
		return err
	}
	if err := insert(branch); err != nil {
		t.Error(err)
	}
	if err := insert(stranger); sqlState(err) != "42501" {
		t.Errorf("for a stranger: %v", err)
	}
	bulk := func(columns []string, row ...any) error {
		_, err := db.BulkInsert(ctx, pgx.Identifier{"leads"}, columns, pgx.CopyFromRows([][]any{row}))
		return err
	}
	if err := bulk([]string{"tenant_id", "id", "name"}, string(client2), 2, "below"); err != nil {
		t.Error(err)
	}
	err := bulk([]string{"id", "name"}, 3, "nobody's")
	if err == nil || !strings.Contains(err.Error(), "add the column tenant_id") {
		t.Errorf("rows without a tenant: %v", err)
	}
	if got := names(t, as(branch), db, "select name from leads where name = 'below'"); len(got) != 1 {
		t.Errorf("the branch has %q", got)
	}
	if _, err := db.Exec(ctx, "delete from leads"); err != nil {
		t.Error(err)
	}
	if got := names(t, as(stranger), db, whose); len(got) != 1 {
		t.Error("a delete without WHERE reached the stranger")
	}
}

func TestWideScopeIsRefusedBeforeAnyRoundTrip(t *testing.T) {
	t.Parallel()
	f := newTree(t)
	narrow := f.fixture.open(t, 1, moat.Options{})
	if _, err := narrow.Exec(wide(agency), "select 1"); !errors.Is(err, moat.ErrNoTree) {
		t.Errorf("without a tree role: %v", err)
	}
	db := f.open(t, 1, moat.Options{})
	if _, err := db.Exec(wide(""), "select 1"); !errors.Is(err, moat.ErrNoTenant) {
		t.Errorf("without a tenant: %v", err)
	}
	odd := moat.WithScope(context.Background(), moat.Scope{Tenant: agency, Width: 7})
	if _, err := db.Exec(odd, "select 1"); err == nil {
		t.Error("a width that is none was accepted")
	}
}

func TestInTxRefusesAnotherWidth(t *testing.T) {
	t.Parallel()
	db := newTree(t).open(t, 1, moat.Options{})
	for _, tt := range []struct{ own, other context.Context }{{as(agency), wide(agency)}, {wide(agency), as(agency)}} {
		err := db.InTx(tt.own, func(tx pgx.Tx) error {
			_, execErr := tx.Exec(tt.other, "select 1")
			_, queryErr := tx.Query(tt.other, "select 1")
			_, prepareErr := tx.Prepare(tt.other, "other", "select 1")
			_, beginErr := tx.Begin(tt.other)
			_, copyErr := tx.CopyFrom(tt.other, pgx.Identifier{"leads"}, []string{"name"}, pgx.CopyFromRows(nil))
			for what, err := range map[string]error{"Exec": execErr, "Query": queryErr, "Prepare": prepareErr,
				"Begin": beginErr, "CopyFrom": copyErr, "QueryRow": tx.QueryRow(tt.other, "select 1").Scan(new(int)),
				"SendBatch": tx.SendBatch(tt.other, &pgx.Batch{}).Close()} {
				if !errors.Is(err, moat.ErrWidthMismatch) {
					t.Errorf("%s: %v", what, err)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// Two connections serve own and wide scopes in turn, with cancels, errors and panics:
// no statement sees more than its scope, and none of the role stays behind.
func TestNothingOfTheTreeRoleStays(t *testing.T) {
	t.Parallel()
	f := newTree(t)
	pool := f.pool(t, 2)
	db, err := moat.New(pool, &moat.Options{TreeRole: f.role})
	if err != nil {
		t.Fatal(err)
	}
	l := &widthTest{tree: f, db: db, pool: pool}
	operations := pgtest.Rounds(t, "MOAT_TEST_LEAK", 10_000, 1_500)
	l.run(operations)
	t.Logf("%d reads were checked, %d of other rows, %d roles left behind", l.reads.Load(), l.wrong.Load(), l.roles.Load())
	if l.wrong.Load()+l.roles.Load() != 0 {
		t.Error("a scope saw rows that are not its own, or a role stayed")
	}
	if l.reads.Load() < int64(operations)/4 {
		t.Errorf("only %d reads: too few to show anything", l.reads.Load())
	}
}

type widthTest struct {
	*tree
	db                  *moat.DB
	pool                *pgxpool.Pool
	reads, wrong, roles atomic.Int64
}

func (l *widthTest) run(operations int) {
	var workers sync.WaitGroup
	for w := range 8 {
		workers.Go(func() {
			random := rand.New(rand.NewPCG(uint64(w), 15))
			for range operations / 8 {
				l.operation(random)
			}
		})
	}
	workers.Wait()
}

var tenants = []moat.Tenant{agency, client1, branch, client2, stranger}

func (l *widthTest) operation(random *rand.Rand) {
	tenant := tenants[random.IntN(len(tenants))]
	ctx, want := as(tenant), 1
	if random.IntN(2) == 0 {
		ctx, want = wide(tenant), map[moat.Tenant]int{agency: 4, client1: 2, branch: 1, client2: 1, stranger: 1}[tenant]
	}
	if random.IntN(100) == 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(random.IntN(1500))*time.Microsecond)
		defer cancel()
	}
	switch n := random.IntN(100); {
	case n < 50:
		rows, err := l.db.Query(ctx, whose)
		l.check(rows, err, want)
	case n < 60:
		_, _ = l.db.Exec(ctx, "select 1 / (length($1) - length($1))", "x")
	case n < 90:
		l.transaction(ctx, random, want)
	default: // what the connection is without a scope
		var role string
		if err := l.pool.QueryRow(context.Background(), "select current_user").Scan(&role); err == nil && role != l.Role {
			l.roles.Add(1)
		}
	}
}

func (l *widthTest) transaction(ctx context.Context, random *rand.Rand, want int) {
	defer func() { _ = recover() }()
	_ = l.db.InTx(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, whose)
		l.check(rows, err, want)
		switch random.IntN(4) {
		case 0:
			return errStop
		case 1:
			panic("callback")
		case 2:
			_, err := tx.Exec(ctx, "select 1 / 0 as zero")
			return err
		}
		return nil
	})
}

func (l *widthTest) check(rows pgx.Rows, err error, want int) {
	if err != nil {
		return
	}
	got, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return
	}
	l.reads.Add(1)
	if len(got) != want {
		l.wrong.Add(1)
	}
}
