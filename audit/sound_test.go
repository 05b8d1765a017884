package audit

import (
	"slices"
	"testing"
)

func TestBranches(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"((a = 1) OR (b = 2))":               {"(a = 1)", "(b = 2)"},
		"(a OR b)":                           {"a", "b"},
		"((a OR b) OR (c = ' OR '))":         {"(a OR b)", "(c = ' OR ')"},
		"(a = 1) OR (b IN ( SELECT x OR y))": {"(a = 1)", "(b IN ( SELECT x OR y))"},
		"(a = b)":                            {"a = b"},
		`((("or" = 1) AND (x OR y)) OR (f(a) IS NULL))`: {`(("or" = 1) AND (x OR y))`, "(f(a) IS NULL)"},
	} {
		if got := branches(text); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}
