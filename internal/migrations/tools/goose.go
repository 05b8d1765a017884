package tools

import (
	"regexp"
	"strings"
)

var (
	gooseUp   = regexp.MustCompile(`(?mi)^--\s*\+goose\s+up\b.*$`)
	gooseDown = regexp.MustCompile(`(?mi)^--\s*\+goose\s+down\b.*$`)
)

func goose() *Tool {
	return &Tool{
		Name: "goose", Tables: []string{"goose_db_version"},
		Is: func(_, _, text string) bool { return gooseUp.MatchString(text) },
		Up: func(_, text string) (string, bool) { return between(text, gooseUp, gooseDown) },
		Write: func(m Migration) []File {
			return []File{{m.Name + ".sql", m.mode("-- +goose NO TRANSACTION\n") + "-- +goose Up\n" + m.Comments +
				m.script(m.Up, gooseStatement) + "\n-- +goose Down\n" + m.script(m.Down, gooseStatement)}}
		},
	}
}

// gooseStatement marks a statement that goose would cut at a semicolon.
func gooseStatement(sql string) string {
	if strings.Contains(sql, ";") {
		return "-- +goose StatementBegin\n" + sql + ";\n-- +goose StatementEnd\n"
	}
	return statement(sql)
}
