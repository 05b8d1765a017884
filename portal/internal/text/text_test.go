package text

import (
	"testing"
	"time"
)

// table runs a function over inputs and what they become.
func table[K comparable](t *testing.T, name string, f func(K) string, want map[K]string) {
	t.Helper()
	for in, out := range want {
		if got := f(in); got != out {
			t.Errorf("%s(%#v) = %q, want %q", name, in, got, out)
		}
	}
}

func TestWords(t *testing.T) {
	t.Parallel()
	table(t, "Name", Name, map[string]string{"lead_events": "Lead events", "createdAt": "Created at",
		"customer_id": "Customer ID", "SKU": "SKU", "_": "_", "": "", "élan": "Élan", "app.api-keys": "App API keys"})
	table(t, "Column", Column, map[string]string{"created_at": "Created", "seen_ts": "Seen", "_at": "At", "at": "At",
		"format": "Format"})
	table(t, "Singular", Singular, map[string]string{"Leads": "Lead", "Companies": "Company", "Addresses": "Address",
		"Boxes": "Box", "Status": "Status", "News": "News", "Time series": "Time series", "People": "People",
		"Branches": "Branch",
		"Pies":     "Pie", "Analysis": "Analysis", "": ""})
	table(t, "Lower", Lower, map[string]string{"Lead events": "lead events", "SKU": "SKU", "Übung": "übung", "A": "a",
		"": ""})
	table(t, "Clip", func(s string) string { return Clip(s, 3) }, map[string]string{"äöü": "äöü", "äöüß": "äö…", "": ""})
}

func TestNumbers(t *testing.T) {
	t.Parallel()
	table(t, "Group", Group, map[string]string{"1234567.50": "1,234,567.50", "-1000": "-1,000", "999": "999", "NaN": "NaN",
		"-Infinity": "-Infinity", "": "", "0.1234567": "0.1234567"})
	table(t, "Count", Count[int64], map[int64]string{0: "0", 1234: "1,234", -1234567: "-1,234,567"})
	table(t, "Counted", func(n int) string { return Counted(n, "policy") }, map[int]string{0: "0 policies",
		1: "1 policy", 1200: "1,200 policies"})
	table(t, "Short", British().Short, map[float64]string{0: "0", 950: "950", 1234: "1,234", 9999: "9,999", 10_000: "10k",
		12345:   "12.3k",
		123_456: "123k", 999_499: "999k", 999_999: "1M", 42_000_000: "42M", -1_500_000: "-1.5M", 2.34e9: "2.3B", 5e12: "5T"})
}

func TestAgo(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	table(t, "Ago", func(d time.Duration) string { return Ago(now, now.Add(-d)) }, map[time.Duration]string{
		-time.Hour: "26 Nov 2026", 0: "just now", 59 * time.Second: "just now", time.Minute: "1 minute ago",
		119 * time.Minute: "1 hour ago", 23 * time.Hour: "23 hours ago", 48 * time.Hour: "2 days ago",
		30 * 24 * time.Hour: "27 Oct 2026"})
}
