package watch_test

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/watch"
)

// What differs from the accepted facts, in the order of their names.
func ExampleCompare() {
	accepted := watch.Facts{"table app.leads": "row-level security, forced", "grant table app.leads to web": "SELECT"}
	found := watch.Facts{"table app.leads": "row-level security", "grant table app.leads to web": "SELECT",
		"role backdoor": "bypasses row-level security"}
	for _, d := range watch.Compare(accepted, found) {
		fmt.Println(d)
	}
	// Output:
	// + role backdoor: bypasses row-level security
	// ! table app.leads: row-level security, forced → row-level security
}

// Watch a database until the program ends.
func Example() {
	w := &watch.Watcher{
		Connect: func(ctx context.Context) (*pgx.Conn, error) {
			return pgx.Connect(ctx, "postgres://moat_operator@db.internal/app")
		},
		States: func() ([]*watch.State, error) {
			s, err := watch.Read("moat-state.json")
			return []*watch.State{s}, err
		},
		Every:  time.Minute,
		Report: func(_ context.Context, e watch.Event) { slog.Warn(e.Text, "event", e.Kind) },
	}
	w.Run(context.Background())
}
