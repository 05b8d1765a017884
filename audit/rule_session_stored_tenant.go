package audit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

var ruleSessionStoredTenant = Rule{
	ID: "session-stored-tenant", Severity: High, Holes: []string{"C20"},
	Title: "The tenant setting has a stored default",
	check: each(stored, func(f *facts, s catalog.StoredSetting, report reporter) {
		if !strings.EqualFold(s.Name, f.m.Setting) && !slices.Contains(f.settingsRead(), strings.ToLower(s.Name)) ||
			s.Value == "" {
			return
		}
		if s.Role != "" && len(f.apps) > 0 && !slices.Contains(f.apps, s.Role) {
			return
		}
		why := "Every session starts with it, so a statement that sets no tenant runs as this one."
		sql := "ALTER DATABASE " + sqltext.Ident(f.s.Database.Name) + " RESET " + settingSQL(s.Name)
		x := f.onDatabase("", why)
		if s.Role != "" {
			x = onRole(s.Role, "", why)
			sql = "ALTER ROLE " + sqltext.Ident(s.Role)
			if s.Database != "" {
				sql += " IN DATABASE " + sqltext.Ident(s.Database)
			}
			sql += " RESET " + settingSQL(s.Name)
		}
		x.Message = fmt.Sprintf("A session that sets no tenant sees one tenant's rows instead of none: %s is stored.",
			s.Name)
		report(x.with(sql))
	}),
}
