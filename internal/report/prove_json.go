package report

import (
	"io"

	"github.com/moat-db/moat/prove"
)

// ProveJSON writes a report as JSON: version 1 of the format in
// docs/reference/prove-probes.md.
func ProveJSON(w io.Writer, r *prove.Report) error {
	return JSON(w, struct {
		Summary string `json:"summary"` // the verdict with what it is not about
		*prove.Report
	}{r.Sentence(), r})
}
