package provetest_test

import (
	"testing"

	"github.com/moat-db/moat/prove/internal/shop"
	"github.com/moat-db/moat/prove/provetest"
)

func TestHelperAcceptsAProtectedSchema(t *testing.T) {
	t.Parallel()
	f := shop.New(t, shop.Rows)
	provetest.Isolated(t, provetest.Databases{Operator: f.URL, Application: f.As(t, f.App)}, "app.leads", "app.events")
}
