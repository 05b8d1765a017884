package audit

import "strings"

var ruleSealMixed = Rule{
	ID: "seal-mixed", Severity: High,
	Title: "Some policies read the plain setting, although others are sealed",
	check: func(f *facts) []Finding {
		sealed, plain := f.sealed()
		if len(sealed) == 0 || len(plain) == 0 {
			return nil
		}
		return []Finding{f.onDatabase(
			"One injected expression opens the tables whose policies read the plain setting.",
			"These policies read the plain setting: "+strings.Join(plain, ", ")+". A table was protected after sealed mode "+
				"was turned on, or a policy was written by hand.").
			decide("moat seal on --apply switches them. In a policy of your own, replace the setting with " +
				"(SELECT moat.current_tenant()), or moat.current_fact('subject', 'issuer' or 'role').")}
	},
}
