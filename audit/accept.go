package audit

import (
	"strings"

	"github.com/moat-db/moat/baseline"
)

// Acceptable reports whether a person may accept what the rule finds at its usual
// severity.
func (r Rule) Acceptable() bool {
	return Finding{Rule: r.ID, Kind: r.Kind, Severity: r.Severity}.Acceptable()
}

// Acceptable reports whether a person may accept the finding. Rows of another tenant that
// can be read or changed may never be accepted: a table that is the same for everybody
// is configured as shared instead.
func (x Finding) Acceptable() bool {
	if x.Kind != "" && x.Kind != Leak {
		return true
	}
	if x.Severity == High {
		return !aboutRows(x.Rule)
	}
	return x.Severity != Critical
}

// aboutRows names the families of rules that are about who reads and changes rows: under
// one more condition, where they are only high.
func aboutRows(rule string) bool {
	family, _, _ := strings.Cut(rule, "-")
	switch family {
	case "rls", "policy", "role", "view", "cve":
		return true
	}
	return false
}

// accept sorts findings into those that the baseline covers and those that it does not.
func (rep *Report) accept(all []Finding, l *baseline.List) {
	for _, x := range all {
		e, ok := l.Accepts(x.Rule, x.Object)
		switch {
		case ok && x.Acceptable():
			rep.Accepted = append(rep.Accepted, Accepted{x, e.Reason, e.Expires})
			continue
		case ok:
			l.Refuse(e)
		}
		rep.Findings = append(rep.Findings, x)
	}
	rep.Reopened = l.Reopened
}
