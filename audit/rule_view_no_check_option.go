package audit

import "fmt"

var ruleViewNoCheckOption = Rule{
	ID: "view-no-check-option", Severity: High, Holes: []string{"V14"},
	Title: "A writable view that filters by tenant has no WITH CHECK OPTION",
	Check: func(f *facts) []Finding {
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
				"A tenant inserts rows for another tenant through the view, or moves its own rows there.",
				"Without a check option the view's WHERE holds for reading only.").
				with(fmt.Sprintf("ALTER VIEW %s SET (check_option = cascaded)", v.QName().SQL())))
		}
		return out
	},
}
