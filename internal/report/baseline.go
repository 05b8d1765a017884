package report

import (
	"github.com/moat-db/moat/baseline"
	"github.com/moat-db/moat/internal/list"
)

// sentences says of each reopened entry why it does not count.
func sentences(all []baseline.Reopened) []string {
	return list.Map(all, baseline.Reopened.String)
}
