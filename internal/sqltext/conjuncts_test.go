package sqltext_test

import (
	"slices"
	"testing"

	"github.com/moat-db/moat/internal/sqltext"
)

func TestConjuncts(t *testing.T) {
	t.Parallel()
	for condition, want := range map[string][]string{
		"":                                  nil,
		"(a IS NULL)":                       {"a IS NULL"},
		"((a IS NULL) AND (b > 0))":         {"a IS NULL", "b > 0"},
		"((a IS NULL) OR (b > 0))":          {"(a IS NULL) OR (b > 0)"},
		"((a IS NULL) = c)":                 {"(a IS NULL) = c"},
		"(NOT (a AND b))":                   {"NOT (a AND b)"},
		"(((a) AND (b)) AND (c = ' AND '))": {"a", "b", "c = ' AND '"},
	} {
		if got := sqltext.Conjuncts(condition); !slices.Equal(got, want) {
			t.Errorf("Conjuncts(%q) = %q, want %q", condition, got, want)
		}
	}
}
