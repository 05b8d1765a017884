package report

import (
	"encoding/json"
	"io"

	"github.com/moat-db/moat/prove"
)

// ProveJSON writes a report as JSON: version 1 of the format in
// docs/reference/prove-probes.md.
func ProveJSON(w io.Writer, r *prove.Report) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(struct {
		Summary string `json:"summary"` // the verdict with what it is not about
		*prove.Report
	}{r.Sentence(), r})
}
