package prove_test

import (
	"fmt"

	"github.com/moat-db/moat/prove"
)

// A report is as bad as its worst probe, and one without probes proves nothing.
func ExampleReport() {
	r := prove.NewReport()
	fmt.Println(r.Verdict)
	r.Add(prove.Probe{Attack: "read", Object: "app.leads", Verdict: prove.VerdictIsolated})
	r.Add(prove.Probe{Attack: "insert", Object: "app.leads", Verdict: prove.VerdictLeak, Reason: "a row was planted"})
	for _, leak := range r.Leaks() {
		fmt.Println(leak.ID, leak.Reason)
	}
	// Output:
	// undecided
	// insert:app.leads a row was planted
}
