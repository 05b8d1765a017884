package database

import (
	"regexp"
	"strconv"

	"github.com/moat-db/moat/catalog"
)

// wanted are values under which a condition on the column holds, as far as the text
// shows: those it is compared with, or their neighbours, and what a bare flag asks.
func (w *sower) wanted(c *catalog.Column, text string) []string {
	name := `(?:\w+\.)?"?` + regexp.QuoteMeta(c.Name) + `"?`
	kind := w.kind(c)
	if kind == "bool" {
		if regexp.MustCompile(`NOT \(*` + name + `\b`).MatchString(text) {
			return []string{"false"}
		}
		return []string{"true"}
	}
	compared := regexp.MustCompile(name + `\)*(?:::[\w ]+)?\)* (=|<>|>=|<=|>|<)
		\(*(?:'((?:[^']|'')*)'|(-?[\d.]+)|(CURRENT_DATE|CURRENT_TIMESTAMP|now\(\)))`)
	var out []string
	for _, m := range compared.FindAllStringSubmatch(text, -1) {
		operator, value := m[1], m[2]+m[3]
		n, err := parseInt(value)
		switch {
		case m[4] != "" && kind == "time":
			out = append(out, map[bool]string{true: "2021-03-01", false: "2039-03-01"}[operator == "<" || operator == "<="])
		case kind == "number" && err == nil && operator == ">":
			out = append(out, strconv.Itoa(n+1))
		case kind == "number" && err == nil && operator == "<":
			out = append(out, strconv.Itoa(n-1))
		case operator != "<>":
			out = append(out, w.fitting(c, []string{value})...)
		}
	}
	return out
}
