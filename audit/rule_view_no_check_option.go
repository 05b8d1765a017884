package audit

import "fmt"

var ruleViewNoCheckOption = Rule{
	ID: "view-no-check-option", Severity: High, Holes: []string{"V14"},
	Title: "A writable view that filters by tenant has no WITH CHECK OPTION",
	check: func(f *facts) []Finding {
		var out []Finding
		for i := range f.s.Relations {
			v := &f.s.Relations[i]
			if v.CheckOption != "" || !v.Insertable && !v.Updatable || !f.isolatingView(v) {
				continue
			}
			if !f.appTouches(v, "INSERT", "UPDATE") {
				continue
			}
			out = append(out, onRelation(v,
				"A tenant can insert rows for another tenant through the view, or move its own rows to one.",
				"Without a check option, the view's WHERE clause applies only to reading.").
				with(fmt.Sprintf("ALTER VIEW %s SET (check_option = cascaded)", v.QName().SQL())))
		}
		return out
	},
}
