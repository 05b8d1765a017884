package report

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/moat-db/moat/internal/english"
	"github.com/moat-db/moat/why"
)

// WhyAnswerText writes an answer for people: what came of the statement, why, and what each
// table did to it.
func WhyAnswerText(w io.Writer, a *why.Answer) {
	fmt.Fprintln(w, whyOutcome(a))
	fmt.Fprintf(w, "\nCause: %s\n", whyCause(a.Cause))
	for _, text := range []string{a.Cause.Text, a.Cause.Fix} {
		if text != "" {
			fmt.Fprintf(w, "  %s\n", text)
		}
	}
	whyTables(w, a.Tables)
	if len(a.Unknown) > 0 {
		fmt.Fprintf(w, "\nNot known:\n- %s\n", strings.Join(a.Unknown, "\n- "))
	}
}

func whyOutcome(a *why.Answer) string {
	who := a.Role
	if a.Tenant != "" {
		who += ", bound to tenant " + a.Tenant
	}
	if a.Role == "" {
		who = "The application"
	}
	switch a.Outcome {
	case why.Refused:
		code := ""
		if a.Error.Code != "" {
			code = " (SQLSTATE " + a.Error.Code + ")"
		}
		return fmt.Sprintf("%s: refused: %s%s.", who, a.Error.Message, code)
	case why.Empty:
		return who + ": no rows."
	}
	return fmt.Sprintf("%s: %s.", who, english.Count(a.Count, "row"))
}

func whyCause(c why.Cause) string {
	name := strings.ReplaceAll(string(c.Kind), "-", " ")
	if c.Object == "" {
		return name
	}
	return name + " (" + c.Object + ")"
}

func whyTables(w io.Writer, tables []why.Table) {
	if len(tables) == 0 {
		return
	}
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "TABLE\tCOMMAND\tTENANT'S\tOTHERS'\tNOBODY'S\tSEEN\t")
	for _, x := range tables {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", x.Name, x.Command, whyCounts(x.Counts), whyNote(x))
	}
	t.Flush()
	for _, x := range tables {
		for _, taken := range x.Taken {
			fmt.Fprintf(w, "  %s of %s took %s: %s\n", taken.Policy, x.Name, english.Count(taken.Rows, "row"), taken.Condition)
		}
	}
}

func whyCounts(c *why.Counts) string {
	if c == nil {
		return "–\t–\t–\t–"
	}
	others, seen := fmt.Sprint(c.Others), "–"
	if c.Others >= why.Most {
		others += "+"
	}
	if c.Visible != nil {
		seen = fmt.Sprint(*c.Visible)
	}
	return fmt.Sprintf("%d\t%s\t%d\t%s", c.Tenant, others, c.Nobody, seen)
}

func whyNote(x why.Table) string {
	switch {
	case x.Free != "":
		return "no policy binds: " + x.Free
	case x.As != "":
		return "as " + x.As
	case x.Counts != nil && x.Counts.Partial:
		return "without the conditions of subqueries"
	}
	return ""
}
