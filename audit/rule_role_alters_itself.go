package audit

import "fmt"

var ruleRoleAltersItself = Rule{
	ID: "role-alters-itself", Severity: Low,
	Title: "The application role can change its own password and stored settings",
	check: each(apps, func(f *facts, name string, report reporter) {
		r := f.look.Role(name)
		if !r.Login || r.Super {
			return
		}
		report(onRole(name,
			"One injected ALTER ROLE locks the application out, or makes its next sessions start as another tenant.",
			fmt.Sprintf("Every role may change its own password and what its sessions start with (ALTER ROLE %s SET …). "+
				"This is true of every server.", name)).
			decide("Bind the tenant at the start of every transaction, so that no stored setting counts; authenticate by " +
				"certificate, peer or a proxy instead of a password; and audit from time to time: session-stored-tenant " +
				"reports a tenant that is stored."))
	}),
}
