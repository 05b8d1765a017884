package console

import (
	"fmt"
	"testing"

	"github.com/moat-db/moat/prove"
)

// Two hundred objects are a few rows, and what leaked is never hidden among them.
func TestMatrixOfManyObjects(t *testing.T) {
	report := prove.NewReport()
	for i := range 200 {
		verdict := prove.VerdictIsolated
		if i == 150 {
			verdict = prove.VerdictLeak
		}
		report.Add(prove.Probe{Attack: "read", Object: fmt.Sprintf("s%d.t%d", i%2, i), Verdict: verdict})
	}
	view := func(open string) *proveView {
		v := &proveView{Report: report}
		v.matrix()
		v.gather(open)
		return v
	}
	v := view("")
	if len(v.Rows) != 3 || v.Rows[0].Object != "s0.t150" || v.Rows[1].Object != "s0: 99 objects held" ||
		v.Rows[2].Cells[0].Verdict != prove.VerdictIsolated {
		t.Errorf("%+v", v.Rows)
	}
	if v := view("s1"); len(v.Rows) != 102 {
		t.Errorf("%d rows with one schema open", len(v.Rows))
	}
}
