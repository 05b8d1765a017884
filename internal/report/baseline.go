package report

import "github.com/moat-db/moat/baseline"

// sentences says of each reopened entry why it does not count.
func sentences(all []baseline.Reopened) []string {
	out := make([]string, len(all))
	for i, x := range all {
		out[i] = x.String()
	}
	return out
}
