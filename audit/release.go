package audit

import (
	"fmt"
	"strings"

	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/internal/releases"
)

// Flaws returns the CVE ids of the ways past row-level security that a release has, the
// newest first. The version is server_version_num: 150018 is 15.18.
func Flaws(version int) []string {
	return list.Pick(flaws(), func(x flaw) (string, bool) { return x.cve, x.fixed.Open(version) })
}

// ReleaseWarning says in one line which ways past row-level security a release has and
// what closes them all; "" when none is known.
func ReleaseWarning(version int) string {
	found := Flaws(version)
	if len(found) == 0 {
		return ""
	}
	cure := "upgrade to a maintained major version"
	if last := lastFix(version); last != releases.Never {
		cure = fmt.Sprintf("update to %d.%d", version/10000, last)
	}
	return fmt.Sprintf("PostgreSQL %s has known flaws in row-level security (%s): %s. "+
		"moat audit says which of them this database is open to.", releases.Name(version), strings.Join(found, ", "), cure)
}

// lastFix is the minor release that closes every flaw of a version.
func lastFix(version int) int {
	last := 0
	for _, x := range flaws() {
		if x.fixed.Open(version) {
			last = max(last, x.fixed[version/10000])
		}
	}
	return last
}
