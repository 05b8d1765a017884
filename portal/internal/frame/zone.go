package frame

import (
	"net/http"
	"net/url"
	"time"
	_ "time/tzdata" // a container image may have no zones of its own
)

// zoneCookie holds the name of the viewer's time zone, as its browser knows it.
const zoneCookie = "moat_zone"

// ZoneOf returns the viewer's time zone, UTC until the browser has said it.
func ZoneOf(r *http.Request) *time.Location {
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
