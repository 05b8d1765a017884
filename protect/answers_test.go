package protect

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/moat-db/moat/catalog"
)

// The question offers the shapes that the keys could be: a share, and two parties.
func TestAnswersToAPath(t *testing.T) {
	t.Parallel()
	q := func(name string) catalog.QName { return catalog.QName{Schema: "app", Name: name} }
	step := func(column, to string) catalog.Step {
		return catalog.Step{Constraint: "share_" + column + "_fkey", Columns: []string{column}, To: q(to)}
	}
	p := &planner{m: &catalog.Model{Tenants: q("tenants")}}
	shared := "tables: {shared: [app.share]}   # or: every tenant reads it"
	for _, x := range []struct {
		firsts []catalog.Step
		want   answers
	}{
		{nil, answers{"protect: {paths: {app.share: CONSTRAINT}}", shared}},
		{[]catalog.Step{step("board", "board"), step("to", "tenants")}, answers{
			"protect: {paths: {app.share: share_board_fkey | share_to_fkey}}",
			"tables: {shares: {app.board: {through: app.share, with: to}}}   " +
				"# or: a row's owner shares it with the tenant in to",
			"tables: {columns: {app.share: to}}   # or: this column is the tenant", shared}},
		{[]catalog.Step{step("seller", "tenants"), step("buyer", "tenants")}, answers{
			"protect: {paths: {app.share: share_seller_fkey | share_buyer_fkey}}",
			"tables: {columns: {app.share: seller}}   # or: this column is the tenant",
			"tables: {columns: {app.share: buyer}}   # or: this column is the tenant",
			"tables: {parties: {app.share: {owner: seller, reads: [buyer]}}}   # or: all of them read it", shared}},
	} {
		if diff := cmp.Diff(x.want, p.pathAnswers("app.share", x.firsts)); diff != "" {
			t.Error(diff)
		}
	}
}
