package audit

import (
	"fmt"
	"strings"

	"github.com/moat-db/moat/internal/releases"
)

// flaw is a way past row-level security that releases of PostgreSQL have: one entry
// here and one page under internal/rules make a rule of it.
type flaw struct {
	cve      string
	severity Severity
	hole     string // its id in the catalogue of holes
	title    string // of the rule
	gets     string // what an attacker gets
	why      string // how that comes
	fixed    releases.Fixed
	// reach says in a sentence what of this database is open to it, "" when nothing is,
	// and how bad that is where it is not the flaw's severity. nil: every database is.
	reach func(*facts) (string, Severity)
}

// flaws lists them, the newest first. CVE-2026-120154 leads the newest, because it
// needs least.
func flaws() []flaw {
	return []flaw{
		{releases.UpsertFlaw, Critical, "K06",
			"This PostgreSQL release shows hidden rows to INSERT … ON CONFLICT DO UPDATE",
			"A tenant who inserts another tenant's value of a unique key can read that tenant's row: the WHERE of " +
				"ON CONFLICT DO UPDATE receives all its columns.",
			"PostgreSQL evaluates that WHERE on the existing row before it checks the policies.",
			releases.UpsertFixed(), (*facts).upsertReach},
		{"CVE-2026-116311", Critical, "K07",
			"This PostgreSQL release lets a role leave the policies that bind it",
			"With DROP OWNED BY, the application role can remove itself from a restrictive policy.",
			"DROP OWNED BY does not check whether the caller owns the table whose policy it changes.",
			releases.November2026(), (*facts).leaveReach},
		{"CVE-2026-116327", Critical, "K08",
			"This PostgreSQL release passes hidden values to functions inside CASE and array casts",
			"An attacker's own function or cast receives values of rows that the policy hides.",
			"The planner takes a leaky function for leakproof if its argument comes from CASE or from the elements of " +
				"an array, and may run it before the policy.",
			releases.November2026(), (*facts).castReach},
		{"CVE-2026-16237", High, "K09",
			"This PostgreSQL release lets INSERT … ON CONFLICT change rows that a view hides",
			"A tenant can overwrite another tenant's row through a view that hides the row.",
			"ON CONFLICT DO UPDATE finds the row by an index of the table, without the view's WHERE.",
			releases.November2026(), (*facts).viewUpsertReach},
		{"CVE-2026-14666", Medium, "K10",
			"This PostgreSQL release keeps policies in cached plans after a membership is revoked",
			"A session keeps the policies of a role after the role was revoked from it.",
			"Cached plans outlive changes of memberships, role attributes and the owner of the database.",
			releases.August2026(), (*facts).memberReach},
		{"CVE-2025-8713", High, "K04",
			"This PostgreSQL release passes sampled values of hidden rows to operators",
			"An attacker's own operator receives sampled values of rows that the policy hides.",
			"The planner reads the statistics of partitions, children and views without checking policies.",
			releases.Fixed{17: 6, 16: 10, 15: 14, 14: 19, 13: 22}, nil},
		{"CVE-2024-10976", High, "K02",
			"This PostgreSQL release keeps an earlier role's policies in cached plans",
			"A plan cached for one role keeps that role's policies after the role changes.",
			"PostgreSQL does not track that tables below subqueries, CTEs and security invoker views depend on the role.",
			releases.Fixed{17: 1, 16: 5, 15: 9, 14: 14, 13: 17}, nil},
		{"CVE-2024-4317", High, "K05",
			"This PostgreSQL release shows extended statistics to every role",
			"Every role can read the most common values of other tenants' columns in pg_stats_ext and pg_stats_ext_exprs.",
			"The views do not check who reads them. A cluster that an older release created keeps the old views after " +
				"the update: run the script that the release notes name.",
			releases.Fixed{16: 3, 15: 7, 14: 12}, nil},
		{"CVE-2023-39418", Critical, "K01",
			"In this PostgreSQL release, MERGE does not apply policies to the rows it updates",
			"A tenant can update or delete other tenants' rows with MERGE.",
			"MERGE does not enforce the UPDATE and SELECT policies of its target.",
			releases.Fixed{15: 4}, nil},
		{"CVE-2023-2455", High, "K03",
			"This PostgreSQL release keeps an earlier role's policies in inlined functions",
			"A plan that contains an inlined SQL function keeps the policies of the role it was planned for.",
			"PostgreSQL does not track that policies in inlined functions depend on the role.",
			releases.Fixed{15: 3, 14: 8, 13: 11}, nil},
	}
}

// flawRules makes a rule of each flaw: its id is the CVE's in lower case.
func flawRules() []Rule {
	var out []Rule
	for _, x := range flaws() {
		out = append(out, Rule{ID: strings.ToLower(x.cve), Severity: x.severity, Holes: []string{x.hole},
			Title: x.title, check: x.check})
	}
	return out
}

// check reports the server where its release has the flaw and the database is open to it.
func (x flaw) check(f *facts) []Finding {
	if !x.fixed.Open(f.release()) {
		return nil
	}
	why, severity := x.why, x.severity
	if x.reach != nil {
		var open string
		if open, severity = x.reach(f); open == "" {
			return nil
		}
		why += " " + open
	}
	why += fmt.Sprintf(" %s is fixed in %s; this server runs %s.", x.cve, x.fixed, releases.Name(f.s.Version))
	return []Finding{onServer(x.gets, why).at(severity).decide("%s", x.fixed.Update(f.s.Version))}
}

// release is the version to judge: 0, which has no flaw, where it is not the one that the
// schema will run on.
func (f *facts) release() int {
	if f.o.Elsewhere {
		return 0
	}
	return f.s.Version
}
