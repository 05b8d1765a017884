package catalog

import (
	"slices"
	"testing"
)

// A version that the list does not know gets the last one's, never none: with none every
// built-in function would look like one that somebody marked.
func TestLeakproofOfNewerVersions(t *testing.T) {
	t.Parallel()
	newest := leakproofFunctions(newestMajor * 10000)
	if got := leakproofFunctions((newestMajor + 1) * 10000); !slices.Equal(got, newest) || len(got) < 300 {
		t.Errorf("%d functions, want the %d of PostgreSQL %d", len(got), len(newest), newestMajor)
	}
	if old := leakproofFunctions(140000); len(old) >= len(newest) {
		t.Errorf("PostgreSQL 14 has %d, as many as %d", len(old), newestMajor)
	}
}
