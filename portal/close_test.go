package portal

import (
	"context"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// A run of prove lives as long as it takes, but not longer than the portal.
func TestCloseWaitsForTheProof(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestHistoryOfTheProof
	attacking, ended := make(chan struct{}), atomic.Bool{}
	w := newWorld(t, func(c *Config) {
		o := *c.Operator
		o.Application, _ = pgx.ParseConfig("host=127.0.0.1")
		o.Application.DialFunc = func(ctx context.Context, _, _ string) (net.Conn, error) {
			close(attacking)
			<-ctx.Done()
			time.Sleep(50 * time.Millisecond) // a run that is slow to end
			ended.Store(true)
			return nil, ctx.Err()
		}
		c.Operator = &o
	})
	desk := w.desk()
	if got := desk.do("POST", "/operator/isolation/prove", nil); got.status != http.StatusSeeOther {
		t.Fatalf("start: %d", got.status)
	}
	select {
	case <-attacking:
	case <-time.After(30 * time.Second):
		t.Fatal("the run does not begin")
	}
	w.portal.Close()
	if !ended.Load() {
		t.Error("Close returned while the run was going on")
	}
	desk.do("POST", "/operator/isolation/prove", nil)
	if got := desk.get("/operator/isolation/prove"); got.header.Get("HX-Refresh") != "true" {
		t.Errorf("a run has begun on a closed portal: %d %s", got.status, got.body)
	}
}
