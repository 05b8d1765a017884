// Package releases knows in which minor releases of PostgreSQL holes were closed. It judges a
// version by server_version_num alone, so it takes a distribution's own patch for none.
package releases

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Fixed says in which minor release of each major version a hole was closed; a major that
// is not listed never had it.
type Fixed map[int]int

// Never stands for the minor release of a major version that ended with the hole in it.
const Never = 9999

// February2026 and those after it are the days on which PostgreSQL fixed several holes at
// once. The release notes are at postgresql.org/docs/release/MAJOR.MINOR.
func February2026() Fixed { return Fixed{18: 2, 17: 8, 16: 12, 15: 16, 14: 21, 13: Never} }

// May2026 is the next after [February2026].
func May2026() Fixed { return Fixed{18: 4, 17: 10, 16: 14, 15: 18, 14: 23, 13: Never} }

// August2026 is the next after [May2026].
func August2026() Fixed { return Fixed{18: 6, 17: 11, 16: 15, 15: 19, 14: 24, 13: Never} }

// November2026 is the next after [August2026].
func November2026() Fixed { return Fixed{18: 7, 17: 12, 16: 16, 15: 20, 14: 25, 13: Never} }

// UpsertFlaw makes a unique key that tenants share a way to read rows: PostgreSQL evaluates
// the WHERE of ON CONFLICT DO UPDATE on the existing row before it checks the policies.
const UpsertFlaw = "CVE-2026-120154"

// UpsertFixed says where [UpsertFlaw] is closed.
func UpsertFixed() Fixed { return November2026() }

// Open says whether a server of this version has the hole.
func (fixed Fixed) Open(version int) bool {
	first, affected := fixed[version/10000]
	return affected && version%10000 < first
}

// String lists the releases that closed the hole, the newest first: "17.1, 16.5, 15.9".
func (fixed Fixed) String() string {
	var out []string
	for _, major := range slices.Backward(slices.Sorted(maps.Keys(fixed))) {
		if fixed[major] != Never {
			out = append(out, fmt.Sprintf("%d.%d", major, fixed[major]))
		}
	}
	return strings.Join(out, ", ")
}

// Name writes a version as people do: 150018 is 15.18.
func Name(version int) string { return fmt.Sprintf("%d.%d", version/10000, version%10000) }

// Update says how a server gets past a hole.
func (fixed Fixed) Update(version int) string {
	major := version / 10000
	if fixed[major] == Never {
		return fmt.Sprintf("Upgrade to a maintained major version. No release of PostgreSQL %d fixes this.", major)
	}
	return fmt.Sprintf("Update PostgreSQL to %d.%d or later. A minor release needs a restart, but no dump and restore.",
		major, fixed[major])
}
