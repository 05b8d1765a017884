package audit

var rulePolicyClientValue = Rule{
	ID: "policy-client-value", Severity: Critical, Peer: "rls_references_user_metadata",
	Title: "A policy believes what the client itself may write",
	Check: func(f *facts) []Finding {
		var out []Finding
		for _, r := range f.judged() {
			for _, p := range f.policies[r.QName()] {
				if !p.using.ClientValue && !p.check.ClientValue {
					continue
				}
				out = append(out, onPart(r, p.Name,
					"A user writes another tenant into a request header, a cookie or its own profile, and sees that tenant's rows.",
					"Headers, cookies and a token's user_metadata come from the client unchecked.").
					decide("Read a claim that only the issuer writes, such as app_metadata or a claim of its own."))
			}
		}
		return out
	},
}
