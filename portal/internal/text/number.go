// Package text writes numbers, times and the names of a database as people read them.
package text

import (
	"strconv"
	"strings"

	"github.com/moat-db/moat/internal/english"
)

// Group puts a comma between the thousands of a decimal number.
func Group(text string) string { return British().Number(text) }

// Count writes a number of things: 12,345.
func Count[N int | int64](n N) string { return Group(strconv.FormatInt(int64(n), 10)) }

// Counted is [english.Count] with a comma between the thousands: "1 row", "12,345 rows".
func Counted[N int | int64](n N, noun string, many ...string) string {
	return Count(n) + " " + english.Plural(n, noun, many...)
}

// Count writes a number of things.
func (l *Locale) Count(n int64) string { return l.Number(strconv.FormatInt(n, 10)) }

// Short writes a large number in about three figures: 1.2M.
func (l *Locale) Short(f float64) string {
	sign := ""
	if f < 0 {
		sign, f = "-", -f
	}
	for _, unit := range []struct {
		from, size float64 // from is what rounds up to the unit
		name       string
	}{{0.9995e12, 1e12, "T"}, {0.9995e9, 1e9, "B"}, {0.9995e6, 1e6, "M"}, {1e4, 1e3, "k"}} {
		if f < unit.from {
			continue
		}
		digits := 1
		if f/unit.size >= 100 {
			digits = 0
		}
		short := strings.TrimSuffix(strconv.FormatFloat(f/unit.size, 'f', digits, 64), ".0")
		return sign + l.Number(short) + unit.name
	}
	return sign + l.Number(strconv.FormatFloat(f, 'f', 0, 64))
}
