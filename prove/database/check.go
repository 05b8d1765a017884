package database

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/internal/sqltext"
)

// assignment returns the variant-th set of values under which every CHECK
// constraint of the table holds; nil where there are none or none was found.
func (w *sower) assignment(ctx context.Context, st *site, variant int) row {
	q := st.rel.QName()
	all, known := w.solved[q]
	if !known || w.everNew(st) {
		all = w.solve(ctx, st)
		w.solved[q] = all
	}
	if len(all) == 0 {
		return nil
	}
	return all[variant%len(all)]
}

// everNew says whether a CHECK constraint is on a column that must be unique: then
// each row needs values that no earlier one had.
func (w *sower) everNew(st *site) bool {
	return slices.ContainsFunc(w.conditions(st), func(c condition) bool {
		return slices.ContainsFunc(c.columns, st.unique)
	})
}

// condition is a CHECK constraint over some columns.
type condition struct {
	sql     string
	columns []string
}

// solve lets the server pick among candidate values: one query for each group of
// constraints that share columns.
func (w *sower) solve(ctx context.Context, st *site) []row {
	var out []row
	for _, group := range grouped(w.harmless(w.conditions(st))) {
		found := w.solveGroup(ctx, st, group)
		out = combine(out, found)
	}
	return out
}

// harmless keeps the conditions that may be evaluated.
func (w *sower) harmless(all []condition) []condition {
	return slices.DeleteFunc(all, func(c condition) bool {
		return !w.p.Disposable && w.p.outside.expression(c.sql) != ""
	})
}

// combine joins independent assignments: the i-th of one with the i-th of the other.
func combine(a, b []row) []row {
	if len(a) == 0 || len(b) == 0 {
		return append(a, b...)
	}
	out := make([]row, max(len(a), len(b)))
	for i := range out {
		out[i] = a[i%len(a)].with(b[i%len(b)])
	}
	return out
}

func (w *sower) conditions(st *site) []condition {
	var out []condition
	for _, c := range st.rel.Constraints {
		if sql := checkText(c.Definition); c.Type == catalog.Check && sql != "" {
			out = append(out, condition{sql, st.mentionedIn(sql)})
		}
	}
	for _, c := range st.rel.Columns {
		if t := w.maker.types[c.TypeName]; t != nil && t.Kind == "domain" {
			for _, check := range t.Checks {
				if sql := checkText(check); sql != "" {
					out = append(out, condition{ofColumn(sql, c.Name), []string{c.Name}})
				}
			}
		}
	}
	return out
}

// ofColumn writes a domain's check about a column: VALUE is the column.
func ofColumn(check, column string) string {
	var b strings.Builder
	at := 0
	for _, t := range sqltext.Code(check) {
		if t.Is("VALUE") {
			b.WriteString(check[at:t.Pos] + sqltext.Ident(column))
			at = t.End
		}
	}
	return b.String() + check[at:]
}

// checkText takes the expression out of "CHECK ((…)) NO INHERIT".
func checkText(definition string) string {
	start, depth := 0, 0
	for _, t := range sqltext.Code(definition) {
		switch {
		case t.Is("("):
			if depth++; depth == 1 {
				start = t.Pos
			}
		case t.Is(")"):
			if depth--; depth == 0 {
				return definition[start:t.End]
			}
		}
	}
	return ""
}

// grouped joins conditions that share a column.
func grouped(conditions []condition) [][]condition {
	var groups [][]condition
	for _, c := range conditions {
		joined := []condition{c}
		var rest [][]condition
		for _, g := range groups {
			if slices.ContainsFunc(g, func(o condition) bool {
				return slices.ContainsFunc(o.columns, func(n string) bool { return slices.Contains(c.columns, n) })
			}) {
				joined = append(joined, g...)
			} else {
				rest = append(rest, g)
			}
		}
		groups = append(rest, joined)
	}
	return groups
}

// mostCombinations bounds the rows that one solving query looks at.
const mostCombinations = 20_000

func (w *sower) solveGroup(ctx context.Context, st *site, group []condition) []row {
	var columns, tests []string
	text := ""
	for _, c := range group {
		columns = append(columns, c.columns...)
		tests = append(tests, "("+c.sql+") IS NOT FALSE")
		text += " " + c.sql
	}
	slices.Sort(columns)
	columns = slices.Compact(columns)
	if len(columns) == 0 || len(columns) > 6 {
		return nil
	}
	limit := mostCombinations
	for range columns[1:] {
		limit = max(limit/12, 4)
	}
	var from, texts []string
	for i, name := range columns {
		c := st.column(name)
		values := w.candidatesFor(ctx, st, c, text)
		if len(values) > limit+4 {
			values = values[:limit+4]
		}
		from = append(from, fmt.Sprintf("(SELECT v::%s AS %s FROM unnest(ARRAY[%s]::text[]) v) c%d", base(w.maker, c),
			sqltext.Ident(name), list.Join(values, ", ", lit), i))
		texts = append(texts, sqltext.Ident(name)+"::text AS "+sqltext.Ident(name))
	}
	results, err := w.s.guarded(ctx, "SELECT "+strings.Join(texts, ", ")+" FROM "+strings.Join(from,
		", ")+" WHERE "+strings.Join(tests, " AND ")+" LIMIT 60")
	if err != nil {
		return nil
	}
	return spread(asRows(results[0]))
}

// spread reorders so that the first few assignments differ much.
func spread(rows []row) []row {
	out := make([]row, 0, len(rows))
	step := 7
	for start := range step {
		for i := start; i < len(rows); i += step {
			out = append(out, rows[i])
		}
	}
	return out
}

// base is the type to cast candidates to: a domain's base, whose own checks are
// among the conditions.
func base(m *maker, c *catalog.Column) string {
	if t := m.types[c.TypeName]; t != nil && t.Kind == "domain" {
		return t.Base
	}
	return c.Type
}

// candidatesFor lists values that might satisfy the conditions: real ones, those
// that the conditions name and their neighbours, texts of every shape they ask for.
func (w *sower) candidatesFor(ctx context.Context, st *site, c *catalog.Column, text string) []string {
	var out []string
	unique := st.unique(c.Name)
	if unique {
		out = append(out, w.shapes(c)...)
	} else if results, err := w.s.guarded(ctx, fmt.Sprintf("SELECT DISTINCT x::text FROM (SELECT %s AS x FROM %s LIMIT "+
		"200) y WHERE x IS NOT NULL LIMIT 8", sqltext.Ident(c.Name), st.sql())); err == nil {
		out = append(out, list.Map(results[0].rows, func(r []string) string { return r[0] })...)
	}
	constants := mined(text)
	out = append(out, w.fitting(c, constants)...)
	if v, ok := w.maker.value(c, tagC, 1); ok {
		out = append(out, v)
	}
	out = append(out, w.neighbours(c, constants)...)
	if v, ok := w.maker.value(c, tagC, 0); ok {
		out = append(out, v)
	}
	if !c.NotNull {
		out = append(out, null)
	}
	return once(out)
}

// shapes are new values of the forms that checks on unique texts ask for.
func (w *sower) shapes(c *catalog.Column) []string {
	w.maker.n++
	n := strconv.FormatInt(int64(w.maker.n), 36)
	if w.kind(c) != "text" {
		return nil
	}
	return []string{tag(tagC) + n, tag(tagC) + n + "@example.com", "https://moat.example.com/" + n, "moat-" + n, "+1555" +
		fmt.Sprintf("%07d", w.maker.n), strings.ToUpper(n), fmt.Sprintf("%05d", w.maker.n), "MQ" + strings.ToUpper(n)}
}

// neighbours are values beside the constants: limits are exclusive as often as not,
// and texts are measured and matched.
func (w *sower) neighbours(c *catalog.Column, constants []string) []string {
	kind := w.kind(c)
	var out []string
	for _, k := range constants {
		n, err := parseInt(k)
		if err != nil {
			if kind == "text" {
				out = append(out, matching(k), "m"+strings.Trim(k, "%_^$"))
			}
			continue
		}
		switch {
		case kind == "number":
			out = append(out, strconv.Itoa(n+1), strconv.Itoa(n-1), strconv.Itoa(n*2))
		case kind == "text" && n > 0 && n < 300:
			for _, letter := range []string{"M", "m", "7"} {
				out = append(out, strings.Repeat(letter, n), strings.Repeat(letter, n+1), strings.Repeat(letter, n-1))
			}
		}
	}
	switch kind {
	case "number":
		out = append(out, "0", "1", "50", "-1")
	case "text":
		out = append(out, "moat@example.com", "https://moat.example.com/", "moat-x", "moat_x", "MOAT", "Moat",
			"+15551234567", "#a0a7aa", "en", "EN", "EUR", "1.0.0", "12345", "10:00")
	case "time":
		out = append(out, "2021-03-01", "2039-03-02")
	}
	return out
}

// fitting keeps the constants that a column of the type can take.
func (w *sower) fitting(c *catalog.Column, constants []string) []string {
	kind := w.kind(c)
	return slices.DeleteFunc(slices.Clone(constants), func(v string) bool {
		_, err := parseInt(v)
		switch kind {
		case "number":
			return err != nil
		case "text":
			return err == nil
		case "time":
			return !datePattern.MatchString(v)
		case "enum":
			return !slices.Contains(w.maker.types[c.TypeName].Labels, v)
		}
		return true
	})
}

var datePattern = regexp.MustCompile(`^\d{4}-\d\d-\d\d`)

// kind sorts types into those that constants fit alike.
func (w *sower) kind(c *catalog.Column) string {
	q := c.TypeName
	if t := w.maker.types[q]; t != nil {
		switch t.Kind {
		case "enum":
			return "enum"
		case "domain":
			q = builtin(t.Base)
		}
	}
	switch q.Name {
	case "int2", "int4", "int8", "numeric", "float4", "float8":
		return "number"
	case "text", "varchar", "bpchar", "citext", "name":
		return "text"
	case "date", "timestamp", "timestamptz":
		return "time"
	}
	return q.Name
}

func once(values []string) []string {
	seen := map[string]bool{}
	return slices.DeleteFunc(values, func(v string) bool {
		if seen[v] {
			return true
		}
		seen[v] = true
		return false
	})
}
