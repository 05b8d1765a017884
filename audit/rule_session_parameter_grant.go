package audit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/internal/sqltext"
)

var ruleSessionParameterGrant = Rule{
	ID: "session-parameter-grant", Severity: High, Holes: []string{"C21"},
	Title: "The application role can store a setting that isolation depends on",
	check: func(f *facts) []Finding {
		var out []Finding
		dangerous := append(f.settingsRead(), strings.ToLower(f.m.Setting), "session_replication_role", "row_security")
		for _, p := range f.s.Parameters {
			alters := p.Privilege.Name == "ALTER SYSTEM"
			if !alters && !slices.Contains(dangerous, strings.ToLower(p.Name)) || !f.grantedToApps(p.Privilege.Grantee) {
				continue
			}
			x := f.onDatabase(
				fmt.Sprintf("One injected ALTER ROLE … SET %s decides the tenant of every later connection.", p.Name),
				"An ordinary role cannot store a custom setting unless SET on it was granted.")
			if strings.EqualFold(p.Name, "session_replication_role") {
				x.Message = "SET session_replication_role = replica turns off triggers and foreign keys for the session."
				x.Why = "Only a superuser can set this parameter, unless SET on it was granted."
			}
			if alters {
				x.Message = fmt.Sprintf("ALTER SYSTEM SET %s changes the server for every tenant; some parameters run programs "+
					"as the server's account.", p.Name)
				x.Why = "Only a superuser may do that, unless ALTER SYSTEM on the parameter was granted."
			}
			out = append(out, x.with(fmt.Sprintf("REVOKE %s ON PARAMETER %s FROM %s",
				p.Privilege.Name, settingSQL(p.Name), sqltext.Role(p.Privilege.Grantee))))
		}
		return out
	},
}
