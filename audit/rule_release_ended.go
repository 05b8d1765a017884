package audit

import (
	"fmt"
	"time"
)

var ruleReleaseEnded = Rule{
	ID: "release-ended", Severity: Medium,
	Title: "PostgreSQL no longer maintains this major version",
	check: func(f *facts) []Finding {
		now, major := f.o.Today, f.release()/10000
		if now.IsZero() {
			now = endsKnown()
		}
		end, known := ends()[major]
		if major == 0 || !known && major > 13 || known && now.Before(end) {
			return nil
		}
		when := "long ago"
		if known {
			when = "on " + end.Format("2 January 2006")
		}
		return []Finding{onServer(
			"The next flaw in row-level security that is found will stay open on this server.",
			fmt.Sprintf("PostgreSQL %d got its last release %s.", major, when)).
			decide("Upgrade to a maintained major version.")}
	},
}

// ends says on which day a major version of PostgreSQL gets its last release. Source:
// the versioning policy of the PostgreSQL Global Development Group.
func ends() map[int]time.Time {
	return map[int]time.Time{
		13: day(2025, time.November, 13), 14: day(2026, time.November, 12), 15: day(2027, time.November, 11),
		16: day(2028, time.November, 9), 17: day(2029, time.November, 8), 18: day(2030, time.November, 14),
	}
}

// endsKnown is the day this table was last looked at: what Options.Today stands for when
// it is zero.
func endsKnown() time.Time { return day(2026, time.November, 26) }

func day(year int, month time.Month, d int) time.Time {
	return time.Date(year, month, d, 0, 0, 0, 0, time.UTC)
}
