package cli

import (
	"slices"

	"github.com/spf13/cobra"

	"github.com/moat-db/moat/internal/english"
	"github.com/moat-db/moat/internal/report"
)

// formatFlag adds --format with the formats that there are, the default first.
func formatFlag(c *cobra.Command, value *string, names []string) {
	choiceFlag(c, value, "format", names[0], "", names)
}

// choiceFlag adds a flag whose value is one of names: its help lists them, and the
// shell completes them.
func choiceFlag(c *cobra.Command, value *string, name, usual, usage string, names []string) {
	c.Flags().StringVar(value, name, usual, usage+english.Or(names))
	_ = c.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(names, cobra.ShellCompDirectiveNoFileComp))
}

// textOrJSON refuses any other format.
func textOrJSON(format string) error {
	if names := report.TextOrJSON(); !slices.Contains(names, format) {
		return report.Unknown(format, names)
	}
	return nil
}
