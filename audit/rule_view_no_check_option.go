package audit

import (
	"fmt"

	"github.com/moat-db/moat/catalog"
)

var ruleViewNoCheckOption = Rule{
	ID: "view-no-check-option", Severity: High, Holes: []string{"V14"},
	Title: "A writable view that filters by tenant has no WITH CHECK OPTION",
	check: each(relations, func(f *facts, v *catalog.Relation, report reporter) {
		if v.CheckOption != "" || !v.Insertable && !v.Updatable || !f.isolatingView(v) {
			return
		}
		if !f.appTouches(v, "INSERT", "UPDATE") {
			return
		}
		report(onRelation(v,
			"A tenant can insert rows for another tenant through the view, or move its own rows to one.",
			"Without a check option, the view's WHERE clause applies only to reading.").
			with(fmt.Sprintf("ALTER VIEW %s SET (check_option = cascaded)", v.QName().SQL())))
	}),
}
