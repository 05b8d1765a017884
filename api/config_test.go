package api

import (
	"testing"
	"time"
)

// A request may take what its statements may, but for 30 s in any case; and a stated time holds.
func TestRequestTime(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ statement, stated, want time.Duration }{
		{0, 0, 30 * time.Second},
		{5 * time.Second, 0, 30 * time.Second},
		{time.Minute, 0, 3*time.Minute + 3*time.Second},
		{time.Minute, time.Second, time.Second},
	} {
		if got := (Limits{StatementTimeout: c.statement, Timeout: c.stated}).withDefaults().Timeout; got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}
