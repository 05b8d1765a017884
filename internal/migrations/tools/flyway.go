package tools

import "regexp"

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
	}
}
