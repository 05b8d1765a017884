package schema

import (
	"regexp"
	"strconv"
	"strings"
)

// What PostgreSQL prints for the checks that most schemas have. A check that is not of
// these forms is left to the database, which judges every write anyway.
var (
	checkList  = regexp.MustCompile(`= ANY \(+ARRAY\[(.*?)\]`)
	checkOne   = regexp.MustCompile(`^\(*"?[\w$]+"?\)?(?:::[\w ]+)? = ('(?:[^']|'')*')::[\w ]+\)*$`)
	checkItem  = regexp.MustCompile(`'((?:[^']|'')*)'(?:::[\w ."]+(?:\(\d+\))?)*|(-?\d+(?:\.\d+)?)`)
	checkBound = regexp.MustCompile(`^\(?"?[\w$]+"?\)? (>=|>|<=|<) \(?'?(-?\d+(?:\.\d+)?)'?\)?` +
		`(?:::[\w ]+(?:\(\d+,\d+\))?)?$`)
	checkLength = regexp.MustCompile(`^\(?(?:char_length|length|character_length|octet_length)\(.*\) (<=|<) (\d+)$`)
	checkBlank  = regexp.MustCompile(`^(?:\(?"?[\w$]+"?\)?(?:::text)?|(?:btrim|TRIM)\(.*\)) <> ''(?:::[\w ]+)?$` +
		`|^\(?(?:char_length|length|character_length)\(.*\) (?:> 0|>= 1)$`)
	typeLength = regexp.MustCompile(`^(?:character varying|character|varchar|char)\((\d+)\)`)
)

// check takes from a CHECK what a form can say before PostgreSQL does. Only the parts
// of a plain AND count: what stands under OR need not hold.
func (c *Column) check(definition string) {
	text := strings.TrimSpace(strings.TrimPrefix(strings.TrimSuffix(definition, " NOT VALID"), "CHECK"))
	if strings.Contains(text, " OR ") {
		if text = withoutNullTest(text); text == "" {
			return
		}
	}
	if m := checkList.FindStringSubmatch(text); m != nil && !strings.Contains(text, " AND ") && !strings.Contains(text,
		"NOT ") {
		c.Options = items(m[1])
		return
	}
	for _, part := range strings.Split(text, " AND ") {
		c.checkPart(bare(part))
	}
}

// withoutNullTest reads "x IS NULL OR rest", which says no more than rest about a value
// that is there.
func withoutNullTest(text string) string {
	parts := strings.Split(text, " OR ")
	if len(parts) != 2 || !strings.HasSuffix(bare(parts[0]), " IS NULL") {
		return ""
	}
	return parts[1]
}

func (c *Column) checkPart(part string) {
	if m := checkBound.FindStringSubmatch(part); m != nil {
		switch m[1] {
		case ">=", ">":
			c.Min, c.MinExclusive = m[2], m[1] == ">"
		default:
			c.Max, c.MaxExclusive = m[2], m[1] == "<"
		}
	}
	if m := checkLength.FindStringSubmatch(part); m != nil {
		n, err := strconv.Atoi(m[2])
		if err == nil && m[1] == "<" {
			n--
		}
		if err == nil && (c.MaxLen == 0 || n < c.MaxLen) {
			c.MaxLen = n
		}
	}
	if checkBlank.MatchString(part) {
		c.NotBlank = true
	}
	if m := checkOne.FindStringSubmatch(part); m != nil {
		c.Options = items(m[1])
	}
}

// bare takes the outer parentheses off.
func bare(text string) string {
	text = strings.TrimSpace(text)
	for strings.HasPrefix(text, "(") && strings.Count(text, "(") > strings.Count(text, ")") {
		text = strings.TrimSpace(text[1:])
	}
	for strings.HasSuffix(text, ")") && strings.Count(text, ")") > strings.Count(text, "(") {
		text = strings.TrimSpace(text[:len(text)-1])
	}
	for strings.HasPrefix(text, "(") && closes(text) == len(text)-1 {
		text = strings.TrimSpace(text[1 : len(text)-1])
	}
	return text
}

// closes finds the parenthesis that closes the first one.
func closes(text string) int {
	depth := 0
	for i := range len(text) {
		switch text[i] {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

func items(list string) []string {
	var out []string
	for _, m := range checkItem.FindAllStringSubmatch(list, -1) {
		if m[2] != "" {
			out = append(out, m[2])
			continue
		}
		out = append(out, strings.ReplaceAll(m[1], "''", "'"))
	}
	return out
}

func lengthOf(typeName string) int {
	m := typeLength.FindStringSubmatch(typeName)
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(m[1])
	return n
}

var constantDefault = regexp.MustCompile(`^'((?:[^']|'')*)'::[\w ."]+(?:\(\d+\))?$` +
	`|^\(?(-?\d+(?:\.\d+)?|true|false)\)?(?:::[\w ]+)?$`)

// constant reads a default that is a plain value; any other is the database's to fill.
func constant(text string) string {
	m := constantDefault.FindStringSubmatch(text)
	if m == nil {
		return ""
	}
	if m[2] != "" {
		return m[2]
	}
	return strings.ReplaceAll(m[1], "''", "'")
}
