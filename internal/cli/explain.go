package cli

import (
	"errors"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/moat-db/moat/audit"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/internal/rules"
)

func (a *app) newExplain() *cobra.Command {
	return &cobra.Command{
		Use:   "explain [RULE]",
		Short: "Say what a rule of audit finds, why it matters and how to close it",
		Long: "Print the page of a rule: its severity, what can happen, why, how to fix it, an\n" +
			"example, and how to accept it. Without a rule, list them all.",
		Example: "  moat explain\n  moat explain key-foreign-key",
		Args:    cobra.MaximumNArgs(1),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return ruleIDs(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return a.listRules()
			}
			page, err := rules.Pages.ReadFile(args[0] + ".md")
			if err != nil {
				return withHint(errors.New("no such rule: "+args[0]), "moat explain lists them")
			}
			_, err = a.Out.Write(page)
			return err
		},
	}
}

func (a *app) listRules() error {
	w := tabwriter.NewWriter(a.Out, 0, 0, 2, ' ', 0)
	for _, r := range audit.Rules() {
		fmt.Fprintf(w, "%s\t%s\t%s\n", r.ID, r.Severity, r.Title)
	}
	return w.Flush()
}

func ruleIDs() []string {
	return list.Map(audit.Rules(), func(r audit.Rule) string { return r.ID })
}
