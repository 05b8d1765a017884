package tools_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/moat-db/moat/internal/migrations/tools"
)

// A tool is known by its columns: under another name where they tell it, and not by a name
// that a business table may have.
func TestIsState(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, columns string
		want          bool
	}{
		{"goose_db_version", "id version_id is_applied tstamp", true},
		{"our_versions", "id version_id is_applied tstamp", true},
		{"bun_migrations", "id name", true},
		{"migrations", "id migration batch", true},
		{"migrations", "id timestamp name", true},
		{"migrations", "id tenant_id name", false},
		{"schema_migrations", "version", true},
		{"schema_version", "id tenant_id version", false},
		{"versions", "version", false},
		{"knex_migrations", "id name batch migration_time tenant_id", false},
		{"migrations", "", false},
	} {
		if got := tools.IsState(c.name, strings.Fields(c.columns)); got != c.want {
			t.Errorf("%s (%s): %v", c.name, c.columns, got)
		}
	}
}

func TestEveryStateTableHasColumns(t *testing.T) {
	t.Parallel()
	for _, tool := range tools.All() {
		for _, name := range tool.Tables {
			if !slices.ContainsFunc(tools.States(), func(s tools.State) bool { return s.Name == name }) {
				t.Errorf("%s of %s has no columns", name, tool.Name)
			}
		}
	}
}
