package seal

import "time"

// SetClock makes a Sealer sign at another time.
func SetClock(s *Sealer, now func() time.Time) { s.now = now }
