package cli

import (
	"slices"

	"github.com/spf13/cobra"

	"github.com/moat-db/moat/internal/english"
	"github.com/moat-db/moat/internal/report"
)

// formatFlag adds --format with the formats that there are, the default first; any other is refused.
func formatFlag(c *cobra.Command, value *string, names []string) {
	choiceFlag(c, value, "format", names[0], "", names)
	c.PreRunE = func(*cobra.Command, []string) error {
		if !slices.Contains(names, *value) {
			return report.Unknown(*value, names)
		}
		return nil
	}
}

// choiceFlag adds a flag whose value is one of names: its help lists them, and the
// shell completes them.
func choiceFlag(c *cobra.Command, value *string, name, usual, usage string, names []string) {
	c.Flags().StringVar(value, name, usual, usage+english.Or(names))
	_ = c.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(names, cobra.ShellCompDirectiveNoFileComp))
}
