package client

import (
	"testing"
	"time"

	"github.com/moat-db/moat/portal/internal/schema"
)

func TestHarmless(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{"=1+1": "'=1+1", "@x": "'@x", "+1 555 12": "+1 555 12", "-5": "-5",
		"+cmd|x": "'+cmd|x", "\tx": "'\tx", "a": "a", "": ""} {
		if got := harmless(given); got != want {
			t.Errorf("harmless(%q) = %q, want %q", given, got, want)
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
		if got := (condition{at, op, "2026-07-01"}).where(a, berlin); got != want[0] || a.Values[0] != want[1] {
			t.Errorf("%s: %s with %v", op, got, a.Values)
		}
	}
}
