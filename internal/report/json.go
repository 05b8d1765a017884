package report

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/moat-db/moat/protect"
)

// ApplyJSON writes what an apply did.
func ApplyJSON(w io.Writer, r *protect.Result) error {
	return JSON(w, struct {
		Version int `json:"version"`
		*protect.Result
	}{1, r})
}

// OpenJSON writes the questions that group enforce waits for.
func OpenJSON(w io.Writer, e *protect.OpenError) error {
	return JSON(w, struct {
		Version int                `json:"version"`
		Applied []string           `json:"applied"`
		Open    []protect.Decision `json:"open"`
	}{1, []string{}, e.Open})
}

// UndoJSON writes what an undo did.
func UndoJSON(w io.Writer, r *protect.UndoResult) error {
	return JSON(w, struct {
		Version int `json:"version"`
		*protect.UndoResult
	}{1, r})
}

// WhyJSON writes why a table is planned for as it is.
func WhyJSON(w io.Writer, e *protect.Explanation) error {
	return JSON(w, struct {
		Version int `json:"version"`
		*protect.Explanation
	}{1, e})
}

// JSON writes v indented: a report of version 1, which holds its own version.
func JSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	return nil
}
