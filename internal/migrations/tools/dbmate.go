package tools

import "regexp"

var (
	dbmateUp   = regexp.MustCompile(`(?mi)^--\s*migrate:up\b.*$`)
	dbmateDown = regexp.MustCompile(`(?mi)^--\s*migrate:down\b.*$`)
)

func dbmate() *Tool {
	return &Tool{
		Name: "dbmate", Tables: []string{"schema_migrations", "dbmate_migrations"},
		Is: func(_, _, text string) bool { return dbmateUp.MatchString(text) },
		Up: func(_, text string) (string, bool) { return between(text, dbmateUp, dbmateDown) },
		Write: func(m Migration) []File {
			mode := m.mode(" transaction:false")
			return []File{{m.Name + ".sql", "-- migrate:up" + mode + "\n" + m.Comments + m.script(m.Up, statement) +
				"\n-- migrate:down" + mode + "\n" + m.script(m.Down, statement)}}
		},
	}
}
