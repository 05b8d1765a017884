package provetest_test

import (
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/moat-db/moat/prove/pool"
	"github.com/moat-db/moat/prove/provetest"
)

// In a program's own tests, after its migrations have run.
func ExampleIsolated() {
	_ = func(t *testing.T, operatorURL, applicationURL string) {
		provetest.Isolated(t, provetest.Databases{Operator: operatorURL, Application: applicationURL}, "app.leads")
	}
}

// The way a program binds a tenant on its pool: query is the program's own.
func ExamplePool() {
	_ = func(t *testing.T, connections *pgxpool.Pool, query pool.Query) {
		provetest.Pool(t, pool.AcquireFrom(connections), query, pool.Options{Table: "app.leads", Column: "tenant_id"})
	}
}
