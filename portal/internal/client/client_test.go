package client

import (
	"testing"
	"time"

	"github.com/moat-db/moat/portal/internal/schema"
)

func TestHarmless(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "a", "+1 555 12", "-5", "+49 (30) 12-3", "-1 000,5", "a=1", "#1", "'=1", "5-3"} {
		if got := harmless(text); got != text {
			t.Errorf("harmless(%q) = %q", text, got)
		}
	}
	for _, text := range []string{"=1+1", "@x", "+cmd|x", "\tx", "\t=1", "\r=1", "\n=1+1", " =1+1", "\u00a0=1",
		"\uff1d1+1", "\uff0b1", "\uff0d1", "\uff20x", "-1(2)", "-2-3", "\ufeff=1+1", "\u200b=1+1", "|calc", "%0A=1",
		"\x00=1", "\u2066=1", "-1+1", "+1+cmd|' /C calc'!A0"} {
		want := "'" + text
		if got := harmless(text); got != want {
			t.Errorf("harmless(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestCeilingHasARoundHalf(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]float64{1: 2, 3: 4, 5: 6, 7: 8, 10: 10, 11: 20, 61: 80, 99: 100, 1234: 2000} {
		if got := ceiling(n); got != want {
			t.Errorf("ceiling(%d) = %v, want %v", n, got, want)
		}
	}
}

// A filter by a day is the whole day of the viewer, not that of UTC.
func TestConditionOfADay(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	at := &schema.Column{Name: "at", Kind: schema.KindMoment}
	for op, want := range map[string][2]string{"min": {"t.at >= $1", "2026-06-30T22:00:00Z"},
		"max": {"t.at < $1", "2026-07-01T22:00:00Z"}} {
		a := &schema.Arguments{}
		if got := (condition{at, op, "2026-07-01"}).where(nil, a, berlin); got != want[0] || a.Values[0] != want[1] {
			t.Errorf("%s: %s with %v", op, got, a.Values)
		}
	}
}
