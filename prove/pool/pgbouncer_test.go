package pool_test

import (
	"testing"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/postgres"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/prove/internal/shop"
	"github.com/moat-db/moat/prove/provetest"
)

// TestPoolThroughPgBouncer attacks moat's pool behind a pooler that gives each
// transaction another server connection.
func TestPoolThroughPgBouncer(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: the root's TestNoLeakThroughPooler
	f := shop.New(t, crowd)
	b, err := postgres.StartBouncer(t.Context(), f.As(t, f.App), postgres.BouncerOptions{Mode: "transaction",
		Ignore: []string{"statement_timeout", "application_name"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Stop)
	acquire, query := moatPool(t, b.URL+"?default_query_exec_mode=exec", moat.Options{})
	provetest.Pool(t, acquire, query, poolOptions())
}
