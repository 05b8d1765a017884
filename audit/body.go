package audit

import (
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/body"
	"github.com/moat-db/moat/internal/sqltext"
)

// body says what a function's body uses.
func (f *facts) body(fn *catalog.Function) *body.Uses { return &f.look.Body(fn).Uses }

// readsCaller reports whether a body asks who the caller is: reads a setting itself, or
// calls a function that policies or other bodies take the caller from.
func (f *facts) readsCaller(b *body.Uses) bool {
	if b.Mentions("current_setting") {
		return true
	}
	for name := range f.identity {
		if b.Words[name] {
			return true
		}
	}
	return false
}

// setting returns the value of a setting that the function carries (proconfig).
func setting(fn *catalog.Function, name string) (string, bool) {
	for _, s := range fn.Settings {
		if k, v, _ := strings.Cut(s, "="); strings.EqualFold(k, name) {
			return v, true
		}
	}
	return "", false
}

// tempLast reports whether a function's search_path is fixed and names pg_temp last.
func tempLast(fn *catalog.Function) bool {
	path, ok := setting(fn, "search_path")
	if !ok {
		return false
	}
	parts := strings.Split(path, ",")
	return strings.Trim(strings.TrimSpace(parts[len(parts)-1]), `"`) == "pg_temp"
}

// searchPathSQL fixes a function's search_path: what it has, or pg_catalog and its
// own schema, with pg_temp named last so that no temporary table comes first.
func searchPathSQL(fn *catalog.Function) string {
	path, ok := setting(fn, "search_path")
	parts := []string{"pg_catalog", sqltext.Ident(fn.Schema)}
	if ok {
		parts = nil
		for p := range strings.SplitSeq(path, ",") {
			p = strings.TrimSpace(p)
			if p != "" && p != `""` && strings.Trim(p, `"`) != "pg_temp" {
				parts = append(parts, p)
			}
		}
		if !slices.Contains(parts, "pg_catalog") {
			parts = append([]string{"pg_catalog"}, parts...)
		}
	}
	path = strings.Join(append(parts, "pg_temp"), ", ")
	return "ALTER " + routine(fn) + " " + functionSQL(fn) + " SET search_path = " + path
}
