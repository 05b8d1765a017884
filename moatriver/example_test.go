package moatriver_test

import (
	"context"
	"log"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivertype"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/moatriver"
)

// Recount counts a tenant's leads anew.
type Recount struct{}

func (Recount) Kind() string { return "recount" }

type countLeads struct {
	river.WorkerDefaults[Recount]
	db *moat.DB
}

// Work sees the rows of the tenant that the job was enqueued for.
func (r *countLeads) Work(ctx context.Context, _ *river.Job[Recount]) error {
	_, err := r.db.Exec(ctx, "UPDATE totals SET leads = (SELECT count(*) FROM leads)")
	return err
}

// Enqueue in the tenant's transaction, and work in its scope.
func Example() {
	ctx := moat.WithScope(context.Background(), moat.Scope{Tenant: "11111111-1111-1111-1111-111111111111"})
	db, err := moat.Open(ctx, "postgres://moat_app@db.internal/app", nil)
	if err != nil {
		log.Fatal(err)
	}
	pool, err := pgxpool.New(ctx, "postgres://moat_worker@db.internal/app") // sees River's tables alone
	if err != nil {
		log.Fatal(err)
	}
	workers := river.NewWorkers()
	river.AddWorker(workers, &countLeads{db: db})
	jobs, err := river.NewClient(riverpgxv5.New(pool), &river.Config{Schema: "jobs", Workers: workers,
		Middleware: []rivertype.Middleware{&moatriver.Middleware{}},
		Queues:     map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 10}}})
	if err != nil {
		log.Fatal(err)
	}
	err = db.InTx(ctx, func(tx pgx.Tx) error {
		_, err := jobs.InsertTx(ctx, tx, Recount{}, nil)
		return err
	})
	if err != nil {
		log.Fatal(err)
	}
}
