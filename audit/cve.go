package audit

import "fmt"

// fixedIn says in which minor release of each major version a hole was closed; a
// major that is not listed never had it.
type fixedIn map[int]int

// outdated reports the server when its release has the hole.
func (f *facts) outdated(fixed fixedIn, id, message, why string) []Finding {
	major, minor := f.s.Version/10000, f.s.Version%10000
	first, affected := fixed[major]
	if !affected || minor >= first {
		return nil
	}
	return []Finding{onServer(message, fmt.Sprintf("%s %s is closed in %d.%d; this is %d.%d.", why, id, major, first, major, minor)).
		decide("Update PostgreSQL to %d.%d or later: a minor release needs a restart and no dump.", major, first)}
}
