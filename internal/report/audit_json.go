package report

import (
	"encoding/json"
	"io"

	"github.com/moat-db/moat/audit"
)

// AuditJSON writes a report as JSON, version 1.
func AuditJSON(w io.Writer, r *audit.Report) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(r)
}
