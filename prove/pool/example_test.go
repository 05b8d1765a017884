package pool_test

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/moat-db/moat/prove/pool"
)

// The query borrows, binds, runs and gives back the way the program itself does.
func ExampleAttack() {
	_ = func(ctx context.Context, connections *pgxpool.Pool, query pool.Query) error {
		report, err := pool.Attack(ctx, pool.AcquireFrom(connections), query,
			pool.Options{Table: "app.leads", Column: "tenant_id"})
		if err != nil {
			return err
		}
		fmt.Println(report.Verdict)
		return nil
	}
}
