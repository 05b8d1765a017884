package audit

var ruleSessionSetConfig = Rule{
	ID: "session-set-config", Severity: Low, Holes: []string{"S12"},
	Title: "A plain setting can be forged by whoever runs SQL on the connection",
	Check: func(f *facts) []Finding {
		fn := f.executable("set_config")
		sealed, plain := f.sealed()
		if fn == nil || (len(sealed) > 0 && len(plain) == 0) { // no policy reads what it could set
			return nil
		}
		return []Finding{f.onDatabase(
			"An injected expression calls set_config and speaks as any tenant until the transaction ends.",
			"A plain setting is not a secret. Every server allows set_config, and libraries bind the tenant with it.").
			decide("Keep SQL from being injected; where arbitrary SQL must be expected, use sealed mode (moat seal). Revoking set_config alone breaks every client that binds with it.")}
	},
}
