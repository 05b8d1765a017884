package client

import (
	"testing"

	"github.com/moat-db/moat/portal/internal/schema"
)

// A reference is chosen from a list where there are few rows; the id is asked for only where there are too many.
func TestReferencesAreChosen(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rows        int
		input, hint string
	}{
		{0, "text", "There is no campaign to choose yet."},
		{2, "select", ""},
		{maxChoices, "text", "Enter the ID of the campaign."},
	} {
		f := &field{Input: "text", Column: &schema.Column{Ref: &schema.Table{Singular: "Campaign"}}}
		f.refer(make([]choice, c.rows))
		if f.Input != c.input || f.Hint != c.hint {
			t.Errorf("%d rows: %s, %q", c.rows, f.Input, f.Hint)
		}
	}
}
