package protect_test

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/policy"
	"github.com/moat-db/moat/protect"
	"github.com/moat-db/moat/tenancy"
)

// Plan what a database lacks and run it up to group policies: nothing changes for
// the application yet.
func Example() {
	run := func(ctx context.Context, url string) error {
		open := func(ctx context.Context) (*pgx.Conn, error) { return pgx.Connect(ctx, url) }
		conn, err := open(ctx)
		if err != nil {
			return err
		}
		defer conn.Close(ctx)
		plan, _, _, err := protect.Look(ctx, conn, tenancy.Options{}, protect.Config{})
		if err != nil {
			return err
		}
		for _, d := range plan.Decisions {
			fmt.Println(d.Question)
		}
		_, err = protect.Apply(ctx, open, plan, protect.ApplyOptions{})
		return err
	}
	fmt.Println(run(context.Background(), "not a connection string") != nil)
	// Output: true
}

// The policy expression of a uuid column.
func ExampleIsolating() {
	fmt.Println(policy.Isolating("tenant_id", "app.current_tenant", "uuid", policy.Wrapped))
	// Output: tenant_id = (SELECT nullif(current_setting('app.current_tenant', true), '')::uuid)
}
