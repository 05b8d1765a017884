package audit

var ruleSessionSetConfig = Rule{
	ID: "session-set-config", Severity: Low, Holes: []string{"S12"},
	Title: "Whoever runs SQL on the connection can forge a plain setting",
	check: func(f *facts) []Finding {
		fn := f.executable("set_config")
		sealed, plain := f.sealed()
		if fn == nil || (len(sealed) > 0 && len(plain) == 0) { // no policy reads what it could set
			return nil
		}
		return []Finding{f.onDatabase(
			"An injected expression can call set_config and act as any tenant until the transaction ends.",
			"A plain setting is not a secret. Every server allows set_config, and libraries use it to bind the tenant.").
			decide("Prevent SQL injection. Where you must expect arbitrary SQL, use sealed mode (moat seal). Do not revoke " +
				"set_config alone: that breaks every client that uses it to bind the tenant.")}
	},
}
