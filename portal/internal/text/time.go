package text

import (
	"time"

	"github.com/moat-db/moat/internal/english"
)

// Day is the layout of a date.
const Day = "2 Jan 2006"

// Ago says how long before now a moment was, in one or two words.
func Ago(now, at time.Time) string {
	switch d := now.Sub(at); {
	case d < 0:
		return at.Format(Day)
	case d < time.Minute:
		return "just now"
	case d < time.Hour:
		return english.Count(int(d.Minutes()), "minute") + " ago"
	case d < 24*time.Hour:
		return english.Count(int(d.Hours()), "hour") + " ago"
	case d < 30*24*time.Hour:
		return english.Count(int(d.Hours()/24), "day") + " ago"
	}
	return at.Format(Day)
}
