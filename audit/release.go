package audit

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/moat-db/moat/internal/list"
)

// fixedIn says in which minor release of each major version a hole was closed; a
// major that is not listed never had it.
type fixedIn map[int]int

// never stands for the minor release of a major version that ended with the hole in it.
const never = 9999

// The days on which PostgreSQL fixed several of them at once. The release notes are at
// postgresql.org/docs/release/MAJOR.MINOR.
var (
	february2026 = fixedIn{18: 2, 17: 8, 16: 12, 15: 16, 14: 21, 13: never}
	may2026      = fixedIn{18: 4, 17: 10, 16: 14, 15: 18, 14: 23, 13: never}
	august2026   = fixedIn{18: 6, 17: 11, 16: 15, 15: 19, 14: 24, 13: never}
	november2026 = fixedIn{18: 7, 17: 12, 16: 16, 15: 20, 14: 25, 13: never}
)

// open says whether a server of this version has the hole.
func (fixed fixedIn) open(version int) bool {
	first, affected := fixed[version/10000]
	return affected && version%10000 < first
}

// String lists the releases that closed the hole, the newest first: "17.1, 16.5, 15.9".
func (fixed fixedIn) String() string {
	var out []string
	for _, major := range slices.Backward(slices.Sorted(maps.Keys(fixed))) {
		if fixed[major] != never {
			out = append(out, fmt.Sprintf("%d.%d", major, fixed[major]))
		}
	}
	return strings.Join(out, ", ")
}

// release writes a version as people do: 150018 is 15.18.
func release(version int) string { return fmt.Sprintf("%d.%d", version/10000, version%10000) }

// update says how a server gets past a hole.
func (fixed fixedIn) update(version int) string {
	major := version / 10000
	if fixed[major] == never {
		return fmt.Sprintf("Upgrade to a maintained major version. No release of PostgreSQL %d fixes this.", major)
	}
	return fmt.Sprintf("Update PostgreSQL to %d.%d or later. A minor release needs a restart, but no dump and restore.",
		major, fixed[major])
}

// Flaws returns the CVE ids of the ways past row-level security that a release has, the
// newest first. The version is server_version_num: 150018 is 15.18.
func Flaws(version int) []string {
	return list.Pick(flaws(), func(x flaw) (string, bool) { return x.cve, x.fixed.open(version) })
}

// ReleaseWarning says in one line which ways past row-level security a release has and
// what closes them all; "" when none is known.
func ReleaseWarning(version int) string {
	found := Flaws(version)
	if len(found) == 0 {
		return ""
	}
	cure := "upgrade to a maintained major version"
	if last := lastFix(version); last != never {
		cure = fmt.Sprintf("update to %d.%d", version/10000, last)
	}
	return fmt.Sprintf("PostgreSQL %s has known flaws in row-level security (%s): %s. "+
		"moat audit says which of them this database is open to.", release(version), strings.Join(found, ", "), cure)
}

// lastFix is the minor release that closes every flaw of a version.
func lastFix(version int) int {
	last := 0
	for _, x := range flaws() {
		if x.fixed.open(version) {
			last = max(last, x.fixed[version/10000])
		}
	}
	return last
}
