package text

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/text/message"
	"golang.org/x/text/number"
)

// What x/text knows of CLDR writes the same numbers.
func TestNumbersAsCLDR(t *testing.T) {
	t.Parallel()
	for _, l := range locales {
		want := message.NewPrinter(l.Tag).Sprint(number.Decimal(1234567.5))
		got := l.Number("1234567.5")
		// CLDR has come to a narrow space in French and Portuguese since.
		if got != strings.ReplaceAll(want, "\u202f", nbsp) {
			t.Errorf("%s: %q, CLDR %q", l.Tag, got, want)
		}
	}
}

func TestLocales(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 3, 14, 5, 0, 0, time.UTC)
	for tag, want := range map[string][]string{
		"en-GB": {"3 Nov 2026, 14:05", "€1,250.50", "US$5.00", "CHF\u00a05.00", "-€3.00", "JP¥1,250"},
		"en-US": {"Nov 3, 2026, 2:05 PM", "€1,250.50", "$5.00", "CHF\u00a05.00", "-€3.00", "¥1,250"},
		"de-DE": {"03.11.2026, 14:05", "1.250,50\u00a0€", "5,00\u00a0$",
			"5,00\u00a0CHF", "-3,00\u00a0€", "1.250\u00a0¥"},
		"de-CH": {"03.11.2026, 14:05", "EUR\u00a01’250.50", "$\u00a05.00", "CHF\u00a05.00",
			"-EUR\u00a03.00", "¥\u00a01’250"},
		"sv-SE": {"2026-11-03, 14:05", "1\u00a0250,50\u00a0€", "5,00\u00a0US$", "5,00\u00a0CHF", "-3,00\u00a0€",
			"1\u00a0250\u00a0JPY"},
	} {
		l := LocaleOf(tag)
		got := []string{l.Moment(at), l.Money("1250.50", "EUR"), l.Money("5", "USD"), l.Money("5.00", "CHF"),
			l.Money("-3", "EUR"), l.Money("1250", "JPY")}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("%s writes %q, want %q", tag, got[i], want[i])
			}
		}
	}
	if LocaleOf("tlh") != nil || LocaleFor("de-AT,en;q=0.5").Tag.String() != "de-AT" ||
		LocaleFor("xx, *;q=0.1, {}") != British() || LocaleFor("en-US").Tag.String() != "en-US" {
		t.Error("the wrong locale for a browser")
	}
}

// A chart's axis names days and months as the region's dates do.
func TestDaysOnAnAxis(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 10, 3, 0, 0, 0, 0, time.UTC)
	for tag, want := range map[string][2]string{"en-GB": {"3 Oct", "Oct 2026"}, "en-US": {"Oct 3", "Oct 2026"},
		"de-DE": {"03.10.", "10.2026"}, "fr-FR": {"03/10", "10/2026"}, "nl-NL": {"03-10", "10-2026"},
		"sv-SE": {"10-03", "2026-10"}, "hu-HU": {"10. 03.", "2026. 10."}, "ja-JP": {"10/03", "2026/10"}} {
		l := LocaleOf(tag)
		if got := [2]string{l.DayOfYear(at), l.Month(at)}; got != want {
			t.Errorf("%s writes %q, want %q", tag, got, want)
		}
	}
}

func TestMinorUnits(t *testing.T) {
	t.Parallel()
	table(t, "Major", func(s string) string { return Major(s, 2) }, map[string]string{"125000": "1250.00", "5": "0.05",
		"-5": "-0.05", "0": "0.00", "x": "x", "": "", "9223372036854775807": "92233720368547758.07"})
	if got := British().Money(Major("1250", Digits("JPY")), "JPY"); got != "JP¥1,250" {
		t.Errorf("1250 yen are %s", got)
	}
	if got := British().Money("5", "none"); got != "5.00\u00a0none" {
		t.Errorf("an unknown currency: %q", got)
	}
}
