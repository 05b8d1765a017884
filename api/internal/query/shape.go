package query

import "strings"

// Hole stands in a shape where a value was. No URL holds this byte as it is.
const Hole = "\x00"

// AppendShape appends to shape the raw query string with a [Hole] for the value of
// each comparison (id=eq.5), and to values those values, unescaped. Two requests of one
// shape make the same statement with other parameters.
//
// It returns false for a query string that has no shape: one with values in other
// places, such as a list, a logic tree or a cursor. A shape is free of values on
// purpose: what is remembered for one tenant's must tell another nothing.
func AppendShape(shape []byte, values []string, raw string) ([]byte, []string, bool) {
	if strings.Contains(raw, Hole) {
		return shape, values, false
	}
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		key, value, _ := strings.Cut(part, "=")
		shape = append(append(append(shape, '&'), key...), '=')
		n := comparison(value)
		switch {
		case n > 0:
			text, err := unescape(value[n:])
			if err != nil || strings.Contains(text, Hole) {
				return shape, values, false
			}
			shape = append(append(shape, value[:n]...), Hole...)
			values = append(values, text)
		case valueless(key) || state(value):
			shape = append(shape, value...)
		default:
			return shape, values, false
		}
	}
	return shape, values, true
}

// Fill puts markers into the holes of a shape, which makes it a query string again.
func Fill(shape string, marker func(n int) string) string {
	var b strings.Builder
	for n := 0; ; n++ {
		before, after, found := strings.Cut(shape, Hole)
		b.WriteString(before)
		if !found {
			return b.String()
		}
		b.WriteString(marker(n))
		shape = after
	}
}

// comparison returns the length of "eq." or "not.gte." at the start of a filter, or 0.
func comparison(text string) int {
	rest := strings.TrimPrefix(text, "not.")
	op, _, found := strings.Cut(rest, ".")
	if !found {
		return 0
	}
	switch Op(op) {
	case "eq", "neq", "gt", "gte", "lt", "lte":
		return len(text) - len(rest) + len(op) + 1
	}
	return 0
}

// state reports whether a filter is one of is.null, not.is.true and so on.
func state(text string) bool {
	word, found := strings.CutPrefix(strings.TrimPrefix(text, "not."), "is.")
	return found && isState(word)
}

// valueless parameters name columns and counts, also with the path of an embed.
func valueless(key string) bool {
	switch key[strings.LastIndexByte(key, '.')+1:] {
	case "select", "order", "limit", "offset":
		return true
	}
	return false
}
