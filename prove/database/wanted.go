package database

import (
	"slices"
	"strconv"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

// wanted are values under which a condition on the column holds, as far as the text
// shows: those it is compared with, or their neighbours, and what a bare flag asks.
func (w *sower) wanted(c *catalog.Column, text string) []string {
	kind := w.kind(c)
	if kind == "bool" {
		return []string{strconv.FormatBool(!denied(text, c.Name))}
	}
	var out []string
	for _, x := range comparedWith(text, c.Name) {
		n, err := parseInt(x.value)
		switch {
		case x.now && kind == "time":
			out = append(out, map[bool]string{true: "2021-03-01", false: "2039-03-01"}[x.operator[0] == '<'])
		case kind == "number" && err == nil && x.operator == ">":
			out = append(out, strconv.Itoa(n+1))
		case kind == "number" && err == nil && x.operator == "<":
			out = append(out, strconv.Itoa(n-1))
		case x.operator != "<>":
			out = append(out, w.fitting(c, []string{x.value})...)
		}
	}
	return out
}

// A compared is what stands behind a column: an operator, and a constant or the time that
// it is.
type compared struct {
	operator, value string
	now             bool
}

// comparedWith lists what a text of SQL compares a column with.
func comparedWith(text, column string) []compared {
	code := sqltext.Code(text)
	var out []compared
	for i, t := range code {
		if !t.IsName() || t.Name() != column {
			continue
		}
		rest := pastCast(code[i+1:])
		if len(rest) == 0 {
			continue
		}
		operator := rest[0].Text
		for rest = rest[1:]; len(rest) > 0 && rest[0].Is("("); {
			rest = rest[1:]
		}
		if len(rest) == 0 {
			break
		}
		now := slices.ContainsFunc([]string{"current_date", "current_timestamp", "now"}, rest[0].Is)
		if values := constants(rest[:1]); now || len(values) > 0 {
			out = append(out, compared{operator, strings.Join(values, ""), now})
		}
	}
	return out
}

// operators are those that a constant tells the wanted side of.
var operators = []string{"=", "<>", ">=", "<=", ">", "<"}

// pastCast cuts to the operator behind a column: only closing parentheses and a cast may
// stand before it. It is nil where there is none.
func pastCast(code []sqltext.Token) []sqltext.Token {
	for i, t := range code {
		switch {
		case slices.Contains(operators, t.Text):
			return code[i:]
		case t.Is(")"), t.Is("::"), i > 0 && (t.Is("(") || t.Kind == sqltext.Number):
		case i == 0 || !t.IsName() || t.Is("and") || t.Is("or"):
			return nil
		}
	}
	return nil
}

// denied says whether a text of SQL asks that a flag is not set.
func denied(text, column string) bool {
	code := sqltext.Code(text)
	for i, t := range code {
		if !t.IsName() || t.Name() != column {
			continue
		}
		at := i - 1
		for at > 1 && code[at].Is(".") { // the table's name
			at -= 2
		}
		for at > 0 && code[at].Is("(") {
			at--
		}
		if at >= 0 && code[at].Is("not") {
			return true
		}
	}
	return false
}

// mined lists the constants of a text of SQL, each once.
func mined(text string) []string {
	out := constants(sqltext.Code(text))
	slices.Sort(out)
	return slices.Compact(out)
}

// constants lists the strings and numbers among tokens. A minus right before a number is
// its sign.
func constants(code []sqltext.Token) []string {
	var out []string
	for i, t := range code {
		switch {
		case t.Kind == sqltext.String:
			out = append(out, t.Value())
		case t.Kind == sqltext.Number && i > 0 && code[i-1].Is("-") && code[i-1].End == t.Pos:
			out = append(out, "-"+t.Text)
		case t.Kind == sqltext.Number:
			out = append(out, t.Text)
		}
	}
	return out
}
