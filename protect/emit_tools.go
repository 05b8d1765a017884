package protect

import (
	"fmt"
	"regexp"
	"strings"
)

// files renders the migration in the form of the tool.
func (m migration) files(o EmitOptions, number string) []File {
	base := number + "_" + m.slug()
	up, down := m.section(o, m.up), m.section(o, m.downOrNothing())
	head := m.head()
	switch o.Tool {
	case Goose:
		text := ""
		if !m.tx {
			text = "-- +goose NO TRANSACTION\n"
		}
		return []File{{base + ".sql", text + "-- +goose Up\n" + head + up + "\n-- +goose Down\n" + down}}
	case Tern:
		// The mark counts for its own direction only.
		mark := ""
		if !m.tx {
			mark = "---- tern: disable-tx ----\n"
		}
		return []File{{base + ".sql", mark + tern(head+up) + "\n---- create above / drop below ----\n\n" + mark + tern(down)}}
	case GolangMigrate:
		return []File{{base + ".up.sql", head + up}, {base + ".down.sql", down}}
	case Dbmate:
		mode := ""
		if !m.tx {
			mode = " transaction:false"
		}
		return []File{{base + ".sql", "-- migrate:up" + mode + "\n" + head + up + "\n-- migrate:down" + mode + "\n" + down}}
	}
	return []File{{base + ".sql", head + up}}
}

// tern fills in templates: a brace pair of ours must come out as it is.
func tern(text string) string { return strings.ReplaceAll(text, "{{", `{{"{{"}}`) }

func (m migration) downOrNothing() []string {
	if len(m.down) == 0 {
		return []string{"SELECT 1"}
	}
	return m.down
}

func (m migration) head() string {
	var b strings.Builder
	for _, line := range m.comments {
		// A line that a tool could take for its own mark stays a comment.
		b.WriteString("-- " + strings.ReplaceAll(line, "\n", " ") + "\n")
	}
	return b.String()
}

// section renders statements. Tools that do not open a transaction themselves get
// one written out.
func (m migration) section(o EmitOptions, statements []string) string {
	var b strings.Builder
	ownTx := m.tx && (o.Tool == GolangMigrate || o.Tool == Plain)
	if ownTx {
		b.WriteString("BEGIN;\n")
	}
	if m.tx {
		fmt.Fprintf(&b, "SET LOCAL lock_timeout = '%dms';\n", o.LockTimeout.Milliseconds())
	}
	for _, q := range statements {
		if o.Tool == Goose && strings.Contains(q, ";") {
			b.WriteString("-- +goose StatementBegin\n" + q + ";\n-- +goose StatementEnd\n")
			continue
		}
		b.WriteString(q + ";\n")
	}
	if ownTx {
		b.WriteString("COMMIT;\n")
	}
	return b.String()
}

func (m migration) slug() string {
	words := "moat_" + string(m.group) + "_" + m.table + "_" + m.title
	slug := strings.Trim(regexp.MustCompile(`[^a-z0-9]+`).ReplaceAllString(strings.ToLower(words), "_"), "_")
	if len(slug) > 90 {
		slug = strings.TrimRight(slug[:90], "_")
	}
	return slug
}
