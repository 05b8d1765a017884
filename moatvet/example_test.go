package moatvet_test

import (
	"golang.org/x/tools/go/analysis/multichecker"
	"golang.org/x/tools/go/analysis/passes/nilness"

	"github.com/moat-db/moat/moatvet"
)

// A checker of one's own, with other analyzers.
func Example() {
	multichecker.Main(moatvet.Analyzer, nilness.Analyzer)
}
