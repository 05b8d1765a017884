package portal

import (
	"strconv"
	"strings"
)

// group puts a comma between the thousands of a decimal number.
func group(text string) string {
	sign := ""
	if strings.HasPrefix(text, "-") {
		sign, text = "-", text[1:]
	}
	whole, fraction, _ := strings.Cut(text, ".")
	if strings.Trim(whole, "0123456789") != "" {
		return sign + text
	}
	var b strings.Builder
	for i, r := range whole {
		if i > 0 && (len(whole)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(r)
	}
	if fraction != "" {
		b.WriteString("." + fraction)
	}
	return sign + b.String()
}

func count(n int64) string { return group(strconv.FormatInt(n, 10)) }

// short says a large number in three figures: 1.2M.
func short(f float64) string {
	sign := ""
	if f < 0 {
		sign, f = "-", -f
	}
	for _, unit := range []struct {
		size float64
		name string
	}{{1e12, "T"}, {1e9, "B"}, {1e6, "M"}, {1e4, "k"}} {
		if f < unit.size {
			continue
		}
		size := unit.size
		if unit.name == "k" {
			size = 1e3
		}
		digits := 1
		if f/size >= 100 {
			digits = 0
		}
		return sign + strings.TrimSuffix(strconv.FormatFloat(f/size, 'f', digits, 64), ".0") + unit.name
	}
	return sign + group(strconv.FormatFloat(f, 'f', 0, 64))
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	if strings.HasSuffix(word, "y") {
		return count(int64(n)) + " " + strings.TrimSuffix(word, "y") + "ies"
	}
	return count(int64(n)) + " " + word + "s"
}

func bytesText(n int64) string {
	f := float64(n)
	for _, unit := range []string{"B", "kB", "MB", "GB"} {
		if f < 1000 {
			return strconv.FormatFloat(f, 'f', -1, 64)[:min(4, len(strconv.FormatFloat(f, 'f', -1, 64)))] + " " + unit
		}
		f /= 1000
	}
	return strconv.FormatFloat(f, 'f', 1, 64) + " TB"
}
