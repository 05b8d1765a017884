package audit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/internal/sqltext"
)

var ruleGuardTags = Rule{
	ID: "guard-tags", Severity: High, Holes: []string{"E04"},
	Title: "A guard misses commands that create tables",
	check: each((*facts).guards, func(f *facts, g guard, report reporter) {
		e := g.event
		if e.Event != "ddl_command_end" || len(e.Tags) == 0 ||
			!strings.Contains(strings.ToLower(g.fn.Body), "enable row level security") {
			return
		}
		missing := slices.DeleteFunc([]string{"CREATE TABLE", "CREATE TABLE AS", "SELECT INTO"},
			func(tag string) bool { return slices.Contains(e.Tags, tag) })
		if len(missing) == 0 {
			return
		}
		report(Finding{Object: e.Name, Group: "event triggers",
			Message: fmt.Sprintf("A table created by %s is open to every tenant, because the guard does not fire.",
				strings.Join(missing, " or ")),
			Why: "CREATE TABLE AS and SELECT INTO have command tags of their own.",
			Fix: retagSQL(e, append(slices.Clone(e.Tags), missing...))})
	}),
}

func retagSQL(e *catalog.EventTrigger, tags []string) []string {
	quoted := list.Map(tags, sqltext.Literal)
	sql := []string{
		"DROP EVENT TRIGGER IF EXISTS " + sqltext.Ident(e.Name),
		fmt.Sprintf("CREATE EVENT TRIGGER %s ON %s\n    WHEN TAG IN (%s)\n    EXECUTE FUNCTION %s()",
			sqltext.Ident(e.Name), e.Event, strings.Join(quoted, ", "), e.Function.SQL()),
	}
	if e.Enabled == "always" {
		sql = append(sql, "ALTER EVENT TRIGGER "+sqltext.Ident(e.Name)+" ENABLE ALWAYS")
	}
	return sql
}
