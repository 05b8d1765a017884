package audit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/internal/sqltext"
)

var ruleFuncSetting = Rule{
	ID: "func-setting", Severity: Critical, Holes: []string{"V09"},
	Title: "A function carries a setting that changes whose rows it sees",
	check: func(f *facts) []Finding {
		var out []Finding
		names := append(f.settingsRead(), strings.ToLower(f.m.Setting), "role", "session_authorization", "row_security")
		for _, fn := range f.userFunctions {
			for _, s := range fn.Settings {
				name, _, _ := strings.Cut(s, "=")
				if !slices.Contains(names, strings.ToLower(name)) {
					continue
				}
				out = append(out, onFunction(fn,
					"Whoever calls the function runs as the tenant or role that the setting names, not as their own.",
					fmt.Sprintf("The function is declared with SET %s, which applies while it runs.", name)).
					with("ALTER "+routine(fn)+" "+functionSQL(fn)+" RESET "+settingSQL(name)))
			}
		}
		return out
	},
}

// settingSQL quotes the parts of a setting's name.
func settingSQL(name string) string {
	parts := strings.Split(name, ".")
	for i := range parts {
		parts[i] = sqltext.Ident(parts[i])
	}
	return strings.Join(parts, ".")
}
