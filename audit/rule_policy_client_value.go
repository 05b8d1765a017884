package audit

import "github.com/moat-db/moat/catalog"

var rulePolicyClientValue = Rule{
	ID: "policy-client-value", Severity: Critical, Peer: "rls_references_user_metadata",
	Title: "A policy trusts a value that the client can write",
	check: each(judgedTables, func(f *facts, r *catalog.Relation, report reporter) {
		for _, p := range f.policies[r.QName()] {
			if !p.using.ClientValue && !p.check.ClientValue {
				continue
			}
			report(onPart(r, p.Name,
				"A user can put another tenant into a request header, a cookie or their own profile, and see that tenant's rows.",
				"Nobody verifies headers, cookies and a token's user_metadata: the client writes them.").
				decide("Read a claim that only the issuer can write, such as app_metadata or a custom claim."))
		}
	}),
}
