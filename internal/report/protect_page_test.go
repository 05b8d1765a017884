package report

import (
	"slices"
	"testing"
)

func TestAnswersAreMerged(t *testing.T) {
	for name, c := range map[string]struct{ configs, want []string }{
		"a list": {[]string{"tables: {shared: [a.b]}   # all", "tables: {shared: [a.c]}   # all",
			"tables: {shared: [a.b]}   # all"}, []string{"tables: {shared: [a.b, a.c]}   # all"}},
		"a map": {[]string{"tables: {shared_rows: {a.b: null}}", "tables: {shared_rows: {a.c: null}}"},
			[]string{"tables: {shared_rows: {a.b: null, a.c: null}}"}},
		"a key with one value": {[]string{"roles: {application: web}   # keep", "roles: {application: job}   # keep"},
			[]string{"roles: {application: web | job}   # keep"}},
		"no list": {[]string{"protect: x", "protect: x"}, []string{"protect: x"}},
	} {
		if got := merged(c.configs); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
