package audit

import "github.com/moat-db/moat/internal/body"

var ruleFuncSecret = Rule{
	ID: "func-secret", Severity: Critical, Holes: []string{"V19"},
	Title: "A function or a stored setting contains a secret",
	check: func(f *facts) []Finding {
		var out []Finding
		for _, fn := range f.userFunctions {
			if !f.body(fn).KeepsSecret() {
				continue
			}
			out = append(out, onFunction(fn,
				"Every role can read the key in pg_proc and use it to sign for any tenant.",
				"Everyone who can connect can read the body of a function.").
				decide("Move the key to a table that only the function's owner can read, and read it in a SECURITY DEFINER "+
					"function. Then use a new key, because this one is known."))
		}
		for _, s := range f.s.Stored {
			if body.SecretName(s.Name) && s.Value != "" {
				out = append(out, f.onDatabase(
					"Every role can read the key in pg_db_role_setting and use it to sign for any tenant.",
					"Everyone who can connect can read the stored setting "+s.Name+".").
					decide("Move the key to a table that only the owner of a SECURITY DEFINER function can read, and reset %s. "+
						"Then use a new key, because this one is known.", s.Name))
			}
		}
		return out
	},
}
