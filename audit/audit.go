// Package audit finds the holes in a database's tenant isolation.
//
// [Run] is pure: it reads a [policy.View] and returns a [Report]; the same input gives
// the same report. One rule is one file here and one
// page under internal/rules. [Probe] is the exception: it asks the database
// itself for what the catalog cannot say, in transactions that are rolled back.
//
// Limits: the catalog does not show what a program does with its connections
// (holes/sessions), what a function written in C does, or what dynamic SQL
// amounts to. A clean report is no proof; package prove attacks the result.
package audit

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/moat-db/moat/baseline"
	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/english"
	"github.com/moat-db/moat/policy"
)

// Options say what is known in addition to the catalog. The zero value works.
type Options struct {
	// Schemas limits the report to objects of these schemas and to facts about roles,
	// the database and the server. Empty means every schema of the model.
	Schemas []string
	// Owner is the role that suggested SQL hands objects of an application role to;
	// empty means moat_owner.
	Owner string
	// Membership is the table that says who is a member of which tenant to those who let
	// requests in; zero where none is configured.
	Membership catalog.QName
	// Evidence is what [Probe] saw; the zero value means it was not asked.
	Evidence Evidence
	// Accepted are exceptions that a person has accepted; Today decides which of them
	// have expired, and on the zero day all have. Today also decides whether the server's
	// major version is still maintained; there the zero day means the one on which the
	// table of those days was last looked at.
	Accepted []baseline.Entry
	Today    time.Time
	// Elsewhere says that the schema will run on another server than the one it was read
	// from: the release is not judged.
	Elsewhere bool
}

// Kind says what a finding costs.
type Kind string

// The kinds of finding.
const (
	Leak   Kind = "leak"   // a way to another tenant's rows, or to facts about them
	Slow   Kind = "slow"   // isolation that costs more than it needs to
	Outage Kind = "outage" // fails closed where it should not fail
)

// Finding is one hole in one object.
type Finding struct {
	Rule     string   `json:"rule"`
	Severity Severity `json:"severity"`
	Kind     Kind     `json:"kind"`
	// Object is schema.table, schema.table.name, schema.function(types), the name of
	// a role, schema, database, publication or event trigger, or "server".
	Object string `json:"object"`
	// Group is what the finding is listed under: a relation, a schema, "roles",
	// "database" or "server".
	Group string `json:"group"`
	// Message says in one sentence what an attacker gets; Why says how.
	Message string `json:"message"`
	Why     string `json:"why"`
	// Fix is SQL that closes the hole, to run in this order; each statement can be
	// run again without harm. Empty where a person must decide: Decision says what.
	Fix      []string `json:"fix"`
	Decision string   `json:"decision,omitempty"`
	// Holes are ids of the catalogue of holes, Peer the id of the same check in
	// Supabase's database linter (splinter), where it has one.
	Holes []string `json:"holes,omitempty"`
	Peer  string   `json:"peer,omitempty"`
	// File and Line are where a migration created the object; set by audits of
	// migration files only.
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`

	schema string // for Options.Schemas; "" concerns all of them
}

// Report is the result of [Run].
type Report struct {
	Version  int            `json:"version"` // of this JSON: 1
	Verdict  string         `json:"verdict"`
	Database string         `json:"database"`
	Model    *catalog.Model `json:"model"`
	Findings []Finding      `json:"findings"`
	// Accepted are the findings that Options.Accepted covers.
	Accepted []Accepted `json:"accepted,omitempty"`
	// Reopened are the entries of the baseline that do not count, each with the reason.
	Reopened []baseline.Reopened `json:"reopened,omitempty"`
	// Unseen says, in sentences, what could not be looked at. A report with anything
	// here is not clean.
	Unseen []string `json:"unseen"`
}

// Accepted is a finding with the reason for accepting it, and the last day of that.
type Accepted struct {
	Finding
	Reason  string `json:"reason"`
	Expires string `json:"expires"`
}

// Run applies every rule. Findings are ordered worst first, then by the order of
// [Rules], then by object: an order in which their fixes can be run.
func Run(v *policy.View, o Options) Report {
	f := newFacts(v, o)
	f.judgePolicies()
	var all []Finding
	for _, r := range Rules() {
		all = append(all, r.apply(f)...)
	}
	all = slices.DeleteFunc(all, func(x Finding) bool { return !f.reported(x.schema) })
	all = dedupe(all)
	slices.SortStableFunc(all, func(a, b Finding) int { return b.Severity.rank() - a.Severity.rank() })
	rep := Report{Version: 1, Database: v.Snapshot.Database.Name, Model: v.Model, Findings: []Finding{}}
	rep.Unseen = append([]string{}, slices.Concat(v.Snapshot.Unseen, o.Evidence.Unseen, f.unlooked())...)
	rep.accept(all, baseline.Judge(o.Accepted, v.Snapshot, o.Today))
	rep.Verdict = verdict(rep)
	return rep
}

// Worst returns the highest severity found, "" when nothing was.
func (r Report) Worst() Severity {
	var worst Severity
	for _, x := range r.Findings {
		if x.Severity.rank() > worst.rank() {
			worst = x.Severity
		}
	}
	return worst
}

// dedupe keeps the first of the findings with one rule and object: two application
// roles reach the same hole, and one fix closes it.
func dedupe(all []Finding) []Finding {
	index := map[string]int{}
	var out []Finding
	for _, x := range all {
		key := x.Rule + "\x00" + x.Object
		i, seen := index[key]
		if !seen {
			index[key] = len(out)
			out = append(out, x)
			continue
		}
		if x.Severity.rank() > out[i].Severity.rank() {
			out[i].Severity, out[i].Message, out[i].Why = x.Severity, x.Message, x.Why
		}
		for _, sql := range x.Fix {
			if !slices.Contains(out[i].Fix, sql) {
				out[i].Fix = append(out[i].Fix, sql)
			}
		}
	}
	return out
}

// verdict is the report in one line. What nobody can tell comes first.
func verdict(r Report) string {
	var unknown, server, leaks, outages, slow, minor int
	for _, x := range r.Findings {
		switch {
		case x.Rule == ruleRLSUnknown.ID:
			unknown++
		case x.Group == "server":
			server++ // about the release: no work on the schema closes it
		case x.Kind == Slow:
			slow++
		case x.Kind == Leak && x.Severity.AtLeast(Medium):
			leaks++
		case x.Kind == Outage && x.Severity.AtLeast(Medium):
			outages++
		default:
			minor++
		}
	}
	var parts []string
	for _, p := range []struct {
		n          int
		noun, many string
	}{
		{unknown, "table of unknown tenants", "tables of unknown tenants"}, {leaks, "leak", "leaks"},
		{outages, "outage", "outages"},
		{slow, "performance finding", "performance findings"}, {minor, "minor finding", "minor findings"},
	} {
		if p.n > 0 {
			parts = append(parts, english.Count(p.n, p.noun, p.many))
		}
	}
	text := strings.Join(parts, ", ")
	switch {
	case server > 0:
		text = strings.TrimPrefix(text+"; ", "; ") + english.Count(server, "finding") + " about the server's release"
	case text == "":
		text = "no findings"
	}
	if len(r.Unseen) > 0 {
		text += "; " + english.Count(len(r.Unseen), "thing") + " not checked"
	}
	return text
}

// Rule is one check.
type Rule struct {
	ID       string
	Severity Severity // of a finding that does not say otherwise
	Kind     Kind     // "" means Leak
	Title    string   // one line, for lists
	Holes    []string
	Peer     string
	check    func(*facts) []Finding
}

func (r Rule) apply(f *facts) []Finding {
	found := r.check(f)
	for x := range catalog.Each(found) {
		x.Rule, x.Peer = r.ID, r.Peer
		x.Severity = cmp.Or(x.Severity, r.Severity)
		x.Kind = cmp.Or(x.Kind, r.Kind, Leak)
		if x.Holes == nil {
			x.Holes = r.Holes
		}
		if x.Fix == nil {
			x.Fix = []string{}
		}
		if slices.ContainsFunc(x.Fix, func(sql string) bool { return strings.Contains(sql, noPredicate) }) {
			x.Fix = []string{}
			x.Decision = "Write the policy by hand, in the way in which other policies of this database find the " +
				"caller's tenants: moat cannot tell what to compare the tenant with here."
		}
	}
	slices.SortStableFunc(found, func(a, b Finding) int { return strings.Compare(a.Object, b.Object) })
	return found
}
