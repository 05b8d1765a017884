package frame

import (
	"testing"
	"time"
)

func TestSessionsAreBounded(t *testing.T) {
	t.Parallel()
	now := time.Now()
	s := (&Frame{Config: Config{Now: func() time.Time { return now }}}).Sessions("test", "/")
	for range maxSessions + 10 {
		s.add(&Session{Expires: now.Add(time.Hour)})
	}
	if len(s.all) > maxSessions {
		t.Errorf("%d sessions are kept", len(s.all))
	}
}
