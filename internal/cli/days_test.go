package cli

import (
	"testing"
	"time"
)

func TestDaysAreSaidAsTheyAreWritten(t *testing.T) {
	t.Parallel()
	for text, said := range map[string]string{"7d": "7d", "168h": "7d", "36h": "36h0m0s", "90s": "1m30s", "0s": "0"} {
		var d time.Duration
		if err := (*days)(&d).Set(text); err != nil || (*days)(&d).String() != said {
			t.Errorf("%s is said as %s, not %s (%v)", text, (*days)(&d), said, err)
		}
	}
}
