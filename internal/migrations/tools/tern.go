package tools

import (
	"regexp"
	"strings"
)

var ternDown = regexp.MustCompile(`(?mi)^----\s*create above\s*/\s*drop below\s*----\s*$`)

func tern() *Tool {
	return &Tool{
		Name: "tern", Tables: []string{"schema_version"}, Numbered: true,
		Is: func(_, _, text string) bool { return ternDown.MatchString(text) },
		Up: func(name, text string) (string, bool) {
			if at := ternDown.FindStringIndex(text); at != nil {
				text = text[:at[0]]
			}
			return text, leadingDigits.MatchString(name)
		},
		Write: func(m Migration) []File {
			mark := m.mode("---- tern: disable-tx ----\n") // counts for its own direction only
			up := mark + ternText(m.Comments+m.script(m.Up, statement))
			down := mark + ternText(m.script(m.Down, statement))
			return []File{{m.Name + ".sql", up + "\n---- create above / drop below ----\n\n" + down}}
		},
	}
}

// ternText keeps a brace pair of ours from being filled in as a template.
func ternText(text string) string { return strings.ReplaceAll(text, "{{", `{{"{{"}}`) }
