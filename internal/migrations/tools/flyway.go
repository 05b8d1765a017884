package tools

import (
	"regexp"
	"strings"
)

var (
	flywayName = regexp.MustCompile(`^(?:V(\d+(?:[._]\d+)*)|R)__.*\.sql$`)
	flywayUndo = regexp.MustCompile(`^[UB]\d+(?:[._]\d+)*__.*\.sql$`)
)

func flyway() *Tool {
	return &Tool{
		Name: "flyway", Tables: []string{"flyway_schema_history"},
		Is: func(_, name, _ string) bool { return flywayName.MatchString(name) },
		Up: func(name, text string) (string, bool) {
			return text, flywayName.MatchString(name) && !flywayUndo.MatchString(name)
		},
		// Repeatable files have none and run last.
		Version: func(name string) string {
			if m := flywayName.FindStringSubmatch(name); m != nil {
				return m[1]
			}
			return ""
		},
		Write: writeFlyway,
	}
}

// writeFlyway writes a way up only: undo migrations are not part of Flyway's free edition.
// A file beside it says what cannot run in a transaction.
func writeFlyway(m Migration) []File {
	number, slug, _ := strings.Cut(m.Name, "_")
	name := "V" + number + "__" + slug + ".sql"
	files := []File{{name, m.Comments + m.script(m.Up, statement)}}
	if !m.Transaction {
		files = append(files, File{name + ".conf", "executeInTransaction=false\n"})
	}
	return files
}
