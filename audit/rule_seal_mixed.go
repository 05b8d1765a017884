package audit

import "strings"

var ruleSealMixed = Rule{
	ID: "seal-mixed", Severity: High,
	Title: "Some policies read the plain setting although others are sealed",
	Check: func(f *facts) []Finding {
		sealed, plain := f.sealed()
		if len(sealed) == 0 || len(plain) == 0 {
			return nil
		}
		return []Finding{f.onDatabase(
			"One injected expression opens the tables whose policies are plain.",
			"These read the plain setting: "+strings.Join(plain, ", ")+". A table was protected after sealed mode was switched on, or a policy was written by hand.").
			decide("moat seal on --apply switches them; for a policy of your own, use (SELECT moat.current_tenant()) in the place of the setting.")}
	},
}
