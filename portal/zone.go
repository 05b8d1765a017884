package portal

import (
	"net/http"
	"net/url"
	"time"
	_ "time/tzdata" // a container image may have no zones of its own
)

// zoneCookie holds the name of the viewer's time zone, as its browser knows it.
const zoneCookie = "moat_zone"

// zoneOf returns the viewer's time zone, UTC until the browser has said it.
func zoneOf(r *http.Request) *time.Location {
	c, err := r.Cookie(zoneCookie)
	if err != nil {
		return time.UTC
	}
	name, err := url.QueryUnescape(c.Value)
	if err != nil || name == "Local" || len(name) > 64 {
		return time.UTC
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return time.UTC
	}
	return zone
}

// ago says how long before now a moment was, in one or two words.
func ago(now, at time.Time) string {
	switch d := now.Sub(at); {
	case d < 0:
		return at.Format("2 Jan 2006")
	case d < time.Minute:
		return "just now"
	case d < time.Hour:
		return plural(int(d.Minutes()), "minute") + " ago"
	case d < 24*time.Hour:
		return plural(int(d.Hours()), "hour") + " ago"
	case d < 30*24*time.Hour:
		return plural(int(d.Hours()/24), "day") + " ago"
	}
	return at.Format("2 Jan 2006")
}
