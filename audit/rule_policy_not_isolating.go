package audit

var rulePolicyNotIsolating = Rule{
	ID: "policy-not-isolating", Severity: Critical, Holes: []string{"P37"},
	Title: "A policy does not compare the row's tenant with the caller's",
	check: each(unrelated, func(f *facts, o openPolicy, report reporter) {
		if o.side == admitted || f.widens(o) {
			return
		}
		x := onPart(o.r, o.p.Name,
			"Tenants can reach each other's rows as far as the expression allows.",
			"The expression does not compare the tenant column with the caller's tenant in any "+
				"form that moat recognizes. "+o.reach())
		if fix := f.narrowSQL(o); len(fix) > 0 {
			x = x.with(fix...)
		} else {
			x = x.decide("Compare a column that leads to the tenant with the caller's tenant, or accept the finding and " +
				"say why the policy is enough.")
		}
		report(x)
	}),
}
