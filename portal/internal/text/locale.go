package text

import (
	"slices"
	"strings"
	"time"

	"golang.org/x/text/currency"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"github.com/moat-db/moat/internal/list"
)

// Locale is how a region writes numbers, dates and money. The words around them are English
// everywhere, so only dates in English name their month.
type Locale struct {
	Tag              language.Tag
	point, thousands string
	day, clock       string // layouts of package time
	money            string // 1 stands for the amount, ¤ for the symbol
}

// Regions without a comment are written as CLDR 32 has them, but for the dates: numeric
// months, and what does not break within a line.
var locales = []*Locale{
	{language.BritishEnglish, ".", ",", Day, "15:04", "¤1"},
	{language.AmericanEnglish, ".", ",", "Jan 2, 2006", "3:04 PM", "¤1"},
	{language.MustParse("en-AU"), ".", ",", Day, "3:04 PM", "¤1"},
	{language.MustParse("en-CA"), ".", ",", "Jan 2, 2006", "3:04 PM", "¤1"},
	{language.MustParse("en-IE"), ".", ",", Day, "15:04", "¤1"},
	{language.MustParse("de-DE"), ",", ".", "02.01.2006", "15:04", "1 ¤"},
	{language.MustParse("de-AT"), ",", nbsp, "02.01.2006", "15:04", "¤ 1"},
	{language.MustParse("de-CH"), ".", "’", "02.01.2006", "15:04", "¤ 1"},
	{language.MustParse("fr-FR"), ",", nbsp, "02/01/2006", "15:04", "1 ¤"},
	{language.MustParse("fr-CH"), ",", nbsp, "02.01.2006", "15:04", "1 ¤"},
	{language.MustParse("es-ES"), ",", ".", "02/01/2006", "15:04", "1 ¤"},
	{language.MustParse("it-IT"), ",", ".", "02/01/2006", "15:04", "1 ¤"},
	{language.MustParse("pt-BR"), ",", ".", "02/01/2006", "15:04", "¤ 1"},
	{language.MustParse("pt-PT"), ",", nbsp, "02/01/2006", "15:04", "1 ¤"},
	{language.MustParse("nl-NL"), ",", ".", "02-01-2006", "15:04", "¤ 1"},
	{language.MustParse("pl-PL"), ",", nbsp, "02.01.2006", "15:04", "1 ¤"},
	{language.MustParse("cs-CZ"), ",", nbsp, "02.01.2006", "15:04", "1 ¤"},
	{language.MustParse("da-DK"), ",", ".", "02.01.2006", "15.04", "1 ¤"},
	{language.MustParse("sv-SE"), ",", nbsp, "2006-01-02", "15:04", "1 ¤"},
	{language.MustParse("nb-NO"), ",", nbsp, "02.01.2006", "15:04", "¤ 1"},
	{language.MustParse("fi-FI"), ",", nbsp, "02.01.2006", "15.04", "1 ¤"},
	{language.MustParse("hu-HU"), ",", nbsp, "2006. 01. 02.", "15:04", "1 ¤"},
	{language.MustParse("tr-TR"), ",", ".", "02.01.2006", "15:04", "¤1"},
	{language.MustParse("ja-JP"), ".", ",", "2006/01/02", "15:04", "¤1"},
}

const nbsp = "\u00a0"

// British is the locale where none is asked for.
func British() *Locale { return locales[0] }

// LocaleOf returns the one of a tag such as de-CH, nil where there is none.
func LocaleOf(tag string) *Locale {
	i := slices.IndexFunc(locales, func(l *Locale) bool { return strings.EqualFold(l.Tag.String(), tag) })
	if i < 0 {
		return nil
	}
	return locales[i]
}

// Locales are the tags that there are locales for.
func Locales() []string {
	return list.Map(locales, func(l *Locale) string { return l.Tag.String() })
}

// LocaleFor returns the one that suits a browser's Accept-Language best.
func LocaleFor(accept string) *Locale {
	tags := list.Map(locales, func(l *Locale) language.Tag { return l.Tag })
	_, i := language.MatchStrings(language.NewMatcher(tags), accept)
	return locales[i]
}

// Number groups the thousands of a decimal number as a database writes it. What is none, such
// as NaN, stays.
func (l *Locale) Number(decimal string) string {
	sign, digits := "", decimal
	if strings.HasPrefix(digits, "-") {
		sign, digits = "-", digits[1:]
	}
	whole, fraction, _ := strings.Cut(digits, ".")
	if strings.Trim(whole, "0123456789") != "" {
		return decimal
	}
	var b strings.Builder
	b.WriteString(sign)
	for i, r := range whole {
		if i > 0 && (len(whole)-i)%3 == 0 {
			b.WriteString(l.thousands)
		}
		b.WriteRune(r)
	}
	if fraction != "" {
		b.WriteString(l.point + fraction)
	}
	return b.String()
}

// Day and Moment write a date, and one with its time.
func (l *Locale) Day(at time.Time) string    { return at.Format(l.day) }
func (l *Locale) Moment(at time.Time) string { return at.Format(l.day + ", " + l.clock) }

// Money writes an amount as a database does, in the major unit of a currency of ISO 4217. Where
// the code is none, it is written behind the number.
func (l *Locale) Money(decimal, code string) string {
	return l.priced(l.Number(padded(decimal, Digits(code))), code)
}

// DayOfYear is Day without the year, for the axis of a chart.
func (l *Locale) DayOfYear(at time.Time) string {
	short := strings.TrimLeft(strings.Replace(l.day, "2006", "", 1), ".-/ ")
	return at.Format(strings.TrimRight(short, "-/, ")) // a point at the end belongs to the month
}

// Month is a month of a year.
func (l *Locale) Month(at time.Time) string {
	switch day := strings.LastIndex(l.day, "02"); {
	case strings.Contains(l.day, "Jan"):
		return at.Format("Jan 2006")
	case strings.HasPrefix(l.day, "2006"):
		return at.Format(strings.TrimRight(l.day[:day], "-/ "))
	}
	return at.Format(l.day[len("02."):])
}

// ShortMoney is Money in about three figures.
func (l *Locale) ShortMoney(f float64, code string) string { return l.priced(l.Short(f), code) }

func (l *Locale) priced(number, code string) string {
	unit, err := currency.ParseISO(code)
	if err != nil {
		return strings.TrimSpace(number + nbsp + code)
	}
	symbol := message.NewPrinter(l.Tag).Sprint(currency.Symbol(unit))
	pattern := strings.ReplaceAll(l.money, " ", nbsp)
	if pattern == "¤1" && strings.ToUpper(symbol) == code {
		pattern = "¤" + nbsp + "1" // CHF 5, not CHF5
	}
	sign := ""
	if strings.HasPrefix(number, "-") {
		sign, number = "-", number[1:]
	}
	return sign + strings.NewReplacer("1", number, "¤", symbol).Replace(pattern)
}

// Digits is how many decimals a currency has; two where it is unknown.
func Digits(code string) int {
	unit, err := currency.ParseISO(code)
	if err != nil {
		return 2
	}
	digits, _ := currency.Standard.Rounding(unit)
	return digits
}

// padded gives a decimal number at least so many decimals.
func padded(decimal string, digits int) string {
	_, fraction, _ := strings.Cut(decimal, ".")
	if missing := digits - len(fraction); missing > 0 && strings.Trim(decimal, "-.0123456789") == "" {
		if fraction == "" {
			decimal = strings.TrimSuffix(decimal, ".") + "."
		}
		return decimal + strings.Repeat("0", missing)
	}
	return decimal
}

// Major moves the point of a whole number of minor units: 125000 cents are 1250.00.
func Major(minor string, digits int) string {
	sign, n := "", minor
	if strings.HasPrefix(n, "-") {
		sign, n = "-", n[1:]
	}
	if digits == 0 || n == "" || strings.Trim(n, "0123456789") != "" {
		return minor
	}
	if missing := digits + 1 - len(n); missing > 0 {
		n = strings.Repeat("0", missing) + n
	}
	return sign + n[:len(n)-digits] + "." + n[len(n)-digits:]
}
