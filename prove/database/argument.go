package database

import (
	"encoding/json"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/body"
	"github.com/moat-db/moat/internal/list"
)

// Arguments that hold others: arrays, rows and documents.

// arrays are arrays of one value each.
func (s *stage) arrays(f *catalog.Function, p catalog.Param, element string, of side) []string {
	one := p
	one.Type = element
	return list.Pick(s.arguments(f, one, of), func(v string) (string, bool) {
		return `{"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(v) + `"}`, v != null && v != ""
	})
}

// rowType is the table whose rows a type is, nil for another type.
func (s *stage) rowType(name string) *target {
	for _, t := range s.targets {
		if t.isTable() && (name == t.rel.Name || name == t.rel.QName().String() || name == t.sql()) {
			return t
		}
	}
	return nil
}

// rowValues are a side's planted rows of a table, as literals of its type.
func (s *stage) rowValues(t *target, of side) []string {
	var out []string
	for _, r := range of.rows(s.sites[t]) {
		fields := make([]string, len(t.rel.Columns))
		for i, c := range t.rel.Columns {
			if v, ok := r[c.Name]; ok && v != null {
				fields[i] = `"` + strings.NewReplacer(`\`, `\\`, `"`, `""`).Replace(v) + `"`
			}
		}
		out = append(out, "("+strings.Join(fields, ",")+")")
	}
	return out[:min(len(out), 2)]
}

// documents hold a side's keys under the names that a function takes from a document.
func (s *stage) documents(f *catalog.Function, of side) []string {
	named := map[string]string{}
	tokens := body.Scan(f).Tokens
	for i, t := range tokens {
		if i+1 >= len(tokens) || !t.Is("->>") && !t.Is("->") {
			continue
		}
		name := strings.Trim(tokens[i+1].Text, "'")
		for _, kind := range []string{s.model.Type, "bigint", "integer", "text"} {
			if keys := s.keysOf(catalog.Param{Name: name, Type: kind}, of); len(keys) > 0 {
				named[name] = keys[0]
				break
			}
		}
	}
	if len(named) == 0 {
		return nil
	}
	text, _ := json.Marshal(named) // a map of texts always has a form
	return []string{string(text)}
}
