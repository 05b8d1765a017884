package audit

import "slices"

var rulePolicyWidens = Rule{
	ID: "policy-widens", Severity: Critical, Holes: []string{"P03"}, Peer: "multiple_permissive_policies",
	Title: "A second permissive policy opens rows that the first one isolates",
	check: each(unrelated, func(f *facts, o openPolicy, report reporter) {
		if o.side == admitted || !f.widens(o) {
			return
		}
		x := onPart(o.r, o.p.Name,
			"Rows of every tenant that satisfy this policy are visible.",
			"Permissive policies are combined with OR. Next to one that isolates, this one "+
				"opens its own rows to everyone. "+o.reach())
		report(x.with(f.narrowSQL(o)...))
	}),
}

// widens reports whether another permissive policy for the same command isolates.
func (f *facts) widens(o openPolicy) bool {
	return slices.ContainsFunc(f.policies[o.r.QName()], func(p *judgedPolicy) bool {
		return p != o.p && p.Permissive && closed(p.on(o.side)) &&
			slices.ContainsFunc(o.commands, p.covers)
	})
}
