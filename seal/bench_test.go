package seal_test

import (
	"testing"

	"github.com/moat-db/moat/seal"
)

// BenchmarkBind is what a statement pays in the client for its signature.
func BenchmarkBind(b *testing.B) {
	s, err := seal.New(seal.NewKey().Signer(), nil)
	if err != nil {
		b.Fatal(err)
	}
	ctx := as(tenantA)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := s.Bind(ctx, tenantA, 4242); err != nil {
			b.Fatal(err)
		}
	}
}
