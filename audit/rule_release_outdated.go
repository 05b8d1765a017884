package audit

import (
	"fmt"
	"strings"

	"github.com/moat-db/moat/internal/releases"
)

var ruleReleaseOutdated = Rule{
	ID: "release-outdated", Severity: High,
	Title: "Any role that can run SQL can attack the server of this PostgreSQL release",
	check: func(f *facts) []Finding {
		if f.s.Prerelease && !f.o.Elsewhere {
			return []Finding{onServer(
				"Nobody keeps a list of the flaws that a test version of PostgreSQL has; those of its last release may be open.",
				fmt.Sprintf("The server is a beta or a release candidate of PostgreSQL %d.", f.s.Version/10000)).
				decide("Install a release of PostgreSQL %d, or the last one of the major version before it.", f.s.Version/10000)}
		}
		fixed, open := releases.Fixed{}, []string{}
		for _, x := range exploits() {
			if x.fixed.Open(f.release()) {
				open = append(open, x.cve+" "+x.how)
				fixed[f.s.Version/10000] = max(fixed[f.s.Version/10000], x.fixed[f.s.Version/10000])
			}
		}
		if len(open) == 0 {
			return nil
		}
		return []Finding{onServer(
			"SQL on the application's connection, injected SQL included, can read or overwrite the server's memory, "+
				"and no policy stands in its way.",
			fmt.Sprintf("PostgreSQL %s has %s.", releases.Name(f.s.Version), strings.Join(open, "; "))).
			decide("%s", fixed.Update(f.s.Version))}
	},
}

// exploit is a flaw, of no policy, that any role which may run SQL can use: no table,
// extension or privilege of its own is needed.
type exploit struct {
	cve, how string
	fixed    releases.Fixed
}

// exploits lists them, the newest first.
func exploits() []exploit {
	return []exploit{
		{"CVE-2026-120141", "(runs code through json_populate_recordset and its like)", releases.November2026()},
		{"CVE-2026-116315", "(overwrites memory through tsvector_delete)", releases.November2026()},
		{"CVE-2026-116317", "(overwrites memory through ts_rank_cd)", releases.November2026()},
		{"CVE-2026-116321", "(reads memory through a value of type name)", releases.November2026()},
		{"CVE-2026-16239", "(runs code through a cursor that is closed and declared again)", releases.August2026()},
		{"CVE-2026-14669", "(runs code through a time zone name in to_char)", releases.August2026()},
		{"CVE-2026-14664", "(overwrites memory through regular expressions)", releases.August2026()},
		{"CVE-2026-14662", "(overwrites memory through a long tsvector or tsquery)", releases.August2026()},
		{"CVE-2026-18024", "(reads memory through ascii)", releases.August2026()},
		{"CVE-2026-6473", "(overwrites memory through very large values)", releases.May2026()},
		{"CVE-2026-6474", "(reads memory through a time zone name in timeofday)", releases.May2026()},
		{"CVE-2026-2006", "(runs code through invalid characters in text functions)", releases.February2026()},
		{"CVE-2026-2003", "(reads memory through an oidvector)", releases.February2026()},
		{"CVE-2023-5869", "(runs code through the bounds of an array)", releases.Fixed{16: 1, 15: 5, 14: 10, 13: 13}},
	}
}
