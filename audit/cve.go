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
	why = fmt.Sprintf("%s %s is fixed in %d.%d; this server runs %d.%d.", why, id, major, first, major, minor)
	return []Finding{onServer(message, why).decide(
		"Update PostgreSQL to %d.%d or later. A minor release needs a restart, but no dump and restore.", major, first)}
}
