package moatriver_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
	"github.com/riverqueue/river/rivertype"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/moatriver"
	"github.com/moat-db/moat/seal"
)

const (
	tenantA = moat.Tenant("aaaaaaaa-0000-4000-8000-000000000001")
	tenantB = moat.Tenant("bbbbbbbb-0000-4000-8000-000000000002")
)

const leads = `
create table leads (
	tenant_id uuid not null default (nullif(current_setting('app.current_tenant', true), '')::uuid), name text not null);
create policy tenant_isolation on leads as restrictive
	using (tenant_id = (select nullif(current_setting('app.current_tenant', true), '')::uuid));
create policy tenant_access on leads to %[1]s using (true);
alter table leads enable row level security; alter table leads force row level security;
grant select, insert on leads to %[1]s; create schema jobs`

// fixture is a database with leads, River's tables in schema jobs, and both roles.
type fixture struct {
	*pgtest.Database
	db      *moat.DB
	enqueue *river.Client[pgx.Tx]
	app     string // the application's URL
	worker  string // the workers' URL
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	f, _ := prepare(t)
	f.open(t, nil)
	return f
}

func (f *fixture) open(t testing.TB, o *moat.Options) {
	t.Helper()
	var err error
	if f.db, err = moat.Open(t.Context(), f.app, o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.db.Close)
}

// prepare is a fixture without a DB, and its two roles.
func prepare(t testing.TB) (f *fixture, roles []string) {
	t.Helper()
	f = &fixture{Database: pgtest.New(t)}
	app, worker := f.AppRole(t), f.AppRole(t)
	f.Exec(t, fmt.Sprintf(leads, app))
	f.migrate(t)
	sql, err := moatriver.Policies(moatriver.PolicyOptions{Schema: "jobs", Application: app, Worker: worker})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second changes nothing
		f.Exec(t, sql)
	}
	f.app, f.worker = f.As(t, app), f.As(t, worker)
	f.enqueue, err = river.NewClient(riverpgxv5.New(nil), config())
	if err != nil {
		t.Fatal(err)
	}
	return f, []string{app, worker}
}

func config() *river.Config {
	return &river.Config{Schema: "jobs", Middleware: []rivertype.Middleware{&moatriver.Middleware{}}}
}

func (f *fixture) migrate(t testing.TB) {
	t.Helper()
	owner := newPool(t, f.URL)
	migrator, err := rivermigrate.New(riverpgxv5.New(owner), &rivermigrate.Config{Schema: "jobs"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := migrator.Migrate(t.Context(), rivermigrate.DirectionUp, nil); err != nil {
		t.Fatal(err)
	}
}

func newPool(t testing.TB, url string) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(context.Background(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

func as(tenant moat.Tenant) context.Context {
	return moat.WithScope(context.Background(), moat.Scope{Tenant: tenant})
}

type recount struct {
	Name string `json:"name"`
}

func (recount) Kind() string { return "recount" }

// insert enqueues in a transaction of the tenant, together with a lead.
func (f *fixture) insert(ctx context.Context, args recount, o *river.InsertOpts) (*rivertype.JobInsertResult, error) {
	var result *rivertype.JobInsertResult
	err := f.db.InTx(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "insert into leads (name) values ($1)", args.Name); err != nil {
			return err
		}
		var err error
		result, err = f.enqueue.InsertTx(ctx, tx, args, o)
		return err
	})
	return result, err
}

func (f *fixture) count(t testing.TB, tenant moat.Tenant, table string) (n int) {
	t.Helper()
	if err := f.db.QueryRow(as(tenant), "select count(*) from "+table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestJobsAreTheTenantsOwn(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	if _, err := f.insert(as(tenantA), recount{"a"}, nil); err != nil {
		t.Fatal(err)
	}
	err := f.db.InTx(as(tenantA), func(tx pgx.Tx) error {
		_, err := f.enqueue.InsertManyFastTx(as(tenantA), tx,
			[]river.InsertManyParams{{Args: recount{"b"}}, {Args: recount{"c"}}})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	failed := errors.New("rolled back")
	err = f.db.InTx(as(tenantA), func(tx pgx.Tx) error {
		_, err := f.enqueue.InsertTx(as(tenantA), tx, recount{"d"}, nil)
		return errors.Join(err, failed)
	})
	if !errors.Is(err, failed) {
		t.Fatal(err)
	}
	if a, b := f.count(t, tenantA, "jobs.river_job"), f.count(t, tenantB, "jobs.river_job"); a != 3 || b != 0 {
		t.Errorf("A has %d jobs, B sees %d of them", a, b)
	}
}

// What the database holds, whatever a program writes into the metadata.
func TestTenantsOfJobsCannotBeForged(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	if _, err := f.insert(as(tenantA), recount{"a"}, nil); err != nil {
		t.Fatal(err)
	}
	const job = "insert into jobs.river_job (kind, max_attempts, metadata) values ('recount', 3, $1)"
	for _, metadata := range []string{fmt.Sprintf(`{"moat_tenant": %q}`, tenantB), `{}`, `{"moat_tenant": null}`} {
		if _, err := f.db.Exec(as(tenantA), job, metadata); !errors.Is(err, moat.ErrPolicyViolation) {
			t.Errorf("metadata %s: %v", metadata, err)
		}
	}
	_, err := f.db.Exec(as(tenantA), "update jobs.river_job set metadata = jsonb_build_object('moat_tenant', $1::text)",
		string(tenantB))
	if !errors.Is(err, moat.ErrPolicyViolation) {
		t.Errorf("a job is given away: %v", err)
	}
	tag, err := f.db.Exec(as(tenantB), "update jobs.river_job set state = 'cancelled'")
	if err != nil || tag.RowsAffected() != 0 {
		t.Errorf("B cancels %d jobs of A: %v", tag.RowsAffected(), err)
	}
	if _, err := f.db.Exec(as(tenantA), "select * from jobs.river_leader"); err == nil {
		t.Error("the application reads River's other tables")
	}
}

func TestUniqueWithinATenant(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	unique := &river.InsertOpts{UniqueOpts: river.UniqueOpts{ByArgs: true}}
	for _, c := range []struct {
		tenant moat.Tenant
		again  bool
	}{{tenantA, false}, {tenantA, true}, {tenantB, false}, {tenantB, true}} {
		result, err := f.insert(as(c.tenant), recount{"same"}, unique)
		if err != nil {
			t.Fatal(err)
		}
		if result.UniqueSkippedAsDuplicate != c.again {
			t.Errorf("%s: skipped %v, want %v", c.tenant, result.UniqueSkippedAsDuplicate, c.again)
		}
	}
}

// recounter works a job as its tenant and completes it in its own transaction.
type recounter struct {
	river.WorkerDefaults[recount]
	db   *moat.DB
	done chan string
}

func (w *recounter) Work(ctx context.Context, job *river.Job[recount]) error {
	var names []string
	err := w.db.InTx(ctx, func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, "select array_agg(name order by name) from leads").Scan(&names); err != nil {
			return err
		}
		_, err := river.JobCompleteTx[*riverpgxv5.Driver](ctx, tx, job)
		return err
	})
	if errors.Is(err, moat.ErrNoTenant) {
		w.done <- job.Args.Name + " has no tenant"
		return river.JobCancel(err)
	}
	w.done <- fmt.Sprint(job.Args.Name, " saw ", names)
	return err
}

func TestJobsAreWorkedInTheirScope(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for name, tenant := range map[string]moat.Tenant{"a1": tenantA, "b1": tenantB} {
		if _, err := f.insert(as(tenant), recount{name}, nil); err != nil {
			t.Fatal(err)
		}
	}
	w := &recounter{db: f.db, done: make(chan string, 10)}
	c := config()
	c.Workers, c.Queues = river.NewWorkers(), map[string]river.QueueConfig{"default": {MaxWorkers: 2}}
	river.AddWorker(c.Workers, w)
	client, err := river.NewClient(riverpgxv5.New(newPool(t, f.worker)), c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Insert(t.Context(), recount{"of nobody"}, nil); err != nil {
		t.Fatal(err)
	}
	completed, cancel := client.Subscribe(river.EventKindJobCompleted, river.EventKindJobCancelled,
		river.EventKindJobFailed)
	defer cancel()
	// What started the workers is no job's tenant.
	if err := client.Start(as(tenantB)); err != nil {
		t.Fatal(err)
	}
	defer client.Stop(context.Background())
	var got []string
	for range 3 {
		select {
		case line := <-w.done:
			got = append(got, line)
		case <-time.After(time.Minute):
			t.Fatalf("a minute without a job; done: %q", got)
		}
	}
	slices.Sort(got)
	if want := []string{"a1 saw [a1]", "b1 saw [b1]", "of nobody has no tenant"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	states := map[rivertype.JobState]int{}
	for range 3 {
		select {
		case event := <-completed:
			states[event.Job.State]++
		case <-time.After(time.Minute):
			t.Fatal("a minute without an event")
		}
	}
	if states[rivertype.JobStateCompleted] != 2 || states[rivertype.JobStateCancelled] != 1 {
		t.Errorf("states: %v", states)
	}
}

// moat seal rewrites these policies with all others.
func TestSealed(t *testing.T) {
	t.Parallel()
	f, roles := prepare(t)
	conn, key := f.Conn(t, f.URL), seal.NewKey()
	if err := seal.Install(t.Context(), conn, seal.InstallOptions{Applications: roles}); err != nil {
		t.Fatal(err)
	}
	if err := seal.AddKey(t.Context(), conn, key, seal.KeyOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := seal.Switch(t.Context(), conn, seal.Sealed, nil); err != nil {
		t.Fatal(err)
	}
	sealer, err := seal.New(key.Signer(), nil)
	if err != nil {
		t.Fatal(err)
	}
	f.open(t, &moat.Options{Sealer: sealer})
	if _, err := f.insert(as(tenantA), recount{"a"}, nil); err != nil {
		t.Fatal(err)
	}
	const forged = "insert into jobs.river_job (kind, max_attempts, metadata) select 'recount', 3, " +
		"jsonb_build_object('moat_tenant', set_config('app.current_tenant', $1, true))"
	if _, err := f.db.Exec(as(tenantA), forged, string(tenantB)); !errors.Is(err, moat.ErrPolicyViolation) {
		t.Errorf("a job under an injected setting: %v", err)
	}
	if a, b := f.count(t, tenantA, "jobs.river_job"), f.count(t, tenantB, "jobs.river_job"); a != 1 || b != 0 {
		t.Errorf("A has %d jobs, B sees %d of them", a, b)
	}
}

func TestPoliciesRefuseWhatTheyCannotHold(t *testing.T) {
	t.Parallel()
	for _, o := range []moatriver.PolicyOptions{
		{}, {Application: "app", Worker: "app"}, {Application: "app", Worker: "w", TenantSetting: "x'; drop table leads; --"},
		{Application: "app", Worker: "w", TenantType: "citext"},
	} {
		if sql, err := moatriver.Policies(o); err == nil || sql != "" {
			t.Errorf("%+v: %v", o, err)
		}
	}
}
