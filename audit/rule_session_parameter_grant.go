package audit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/internal/sqltext"
)

var ruleSessionParameterGrant = Rule{
	ID: "session-parameter-grant", Severity: High, Holes: []string{"C21"},
	Title: "The application role may store a setting that isolation rests on",
	Check: func(f *facts) []Finding {
		var out []Finding
		dangerous := append(f.settingsRead(), strings.ToLower(f.m.Setting), "session_replication_role", "row_security")
		for _, p := range f.s.Parameters {
			if !slices.Contains(dangerous, strings.ToLower(p.Name)) || !f.grantedToApps(p.Privilege.Grantee) {
				continue
			}
			x := f.onDatabase(
				fmt.Sprintf("One injected ALTER ROLE … SET %s decides the tenant of every later connection.", p.Name),
				"A custom setting cannot be stored by an ordinary role, unless SET on it was granted.")
			if strings.EqualFold(p.Name, "session_replication_role") {
				x.Message = "SET session_replication_role = replica switches off triggers and foreign keys for the session."
				x.Why = "The parameter is a superuser's; SET on it was granted."
			}
			out = append(out, x.with(fmt.Sprintf("REVOKE %s ON PARAMETER %s FROM %s", p.Privilege.Name, settingSQL(p.Name), sqltext.Role(p.Privilege.Grantee))))
		}
		return out
	},
}
