package tools

import "strings"

func golangMigrate() *Tool {
	return &Tool{
		Name: "golang-migrate", Tables: []string{"schema_migrations"}, // also Rails', Ecto's and dbmate's
		Is: func(_, name, _ string) bool { return strings.HasSuffix(name, ".up.sql") },
		Up: func(name, text string) (string, bool) { return text, strings.HasSuffix(name, ".up.sql") },
		Write: func(m Migration) []File {
			return []File{{m.Name + ".up.sql", m.Comments + m.wrapped(m.Up)}, {m.Name + ".down.sql", m.wrapped(m.Down)}}
		},
	}
}
