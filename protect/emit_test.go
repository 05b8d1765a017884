package protect

import (
	"strings"
	"testing"
	"time"

	"github.com/moat-db/moat/catalog"
)

func TestNumbering(t *testing.T) {
	t.Parallel()
	plan := &Plan{Steps: []Step{
		{Group: GroupRoles, Kind: KindSQL, Title: "one", SQL: []string{"SELECT 1"}},
		{Group: GroupIndexes, Kind: KindConcurrent, Title: "two", Table: catalog.QName{Schema: "a", Name: "b"},
			SQL: []string{"SELECT 2"}},
	}}
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		tool          string
		existing      []string
		first, second string
	}{
		{"goose", nil, "20261123120000_", "20261123120001_"},
		{"goose", []string{"00001_a.sql", "00009_b.go", "README.md"}, "00010_", "00011_"},
		{"goose", []string{"20300101000000_a.sql"}, "20300101000001_", "20300101000002_"},
		{"goose", []string{"20250101000000_a.sql"}, "20261123120000_", "20261123120001_"},
		{"tern", nil, "001_", "002_"},
		{"tern", []string{"001_a.sql", "002_b.sql"}, "003_", "004_"},
		{"golang-migrate", []string{"000007_a.up.sql", "000007_a.down.sql"}, "000008_", "000009_"},
		{"golang-migrate", []string{"1500360784_a.up.sql"}, "1500360785_", "1500360786_"},
		{"dbmate", nil, "20261123120000_", "20261123120001_"},
	} {
		files, err := Emit(plan, EmitOptions{Tool: c.tool, Existing: c.existing, Now: now})
		if err != nil {
			t.Fatal(err)
		}
		last := files[len(files)-1].Name
		if !strings.HasPrefix(files[0].Name, c.first) || !strings.HasPrefix(last, c.second) {
			t.Errorf("%s after %v: %s, %s", c.tool, c.existing, files[0].Name, last)
		}
	}
	if _, err := Emit(plan, EmitOptions{Tool: "liquibase"}); err == nil {
		t.Error("an unknown tool was accepted")
	}
}
