package database

import (
	"slices"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/prove"
)

// note says, of every relation of the catalog, why no probe calls it isolated: every
// tenant reads it, it was left out, or the application role has no right to it.
func (p *prover) note(may map[catalog.QName]reach) {
	if !slices.ContainsFunc(p.targets, func(t *target) bool { return p.private(t) && t.reachable() }) {
		p.report.Add(prove.Probe{Attack: "reachable tables", Object: theConnection, Verdict: prove.VerdictUndecided,
			Reason: "the role reaches no table of tenants, so no row was attacked: check that --app-url connects as the " +
				"application does, and that its role was granted the tables"})
	}
	for r := range catalog.Each(p.view.Snapshot.Relations) {
		if r.Kind == catalog.Sequence {
			continue
		}
		t := p.byName[r.QName()]
		switch reason := p.leftOut(r); {
		case reason != "":
			reached := (&target{rel: r, reach: may[r.QName()]}).reachable()
			if reached || p.view.Class(r.QName()) == catalog.IgnoredTable {
				p.report.LeftOut = append(p.report.LeftOut, prove.Noted{Object: r.QName().String(), Reason: reason})
			}
		case t != nil:
			p.noteTarget(t)
		}
	}
}

// leftOut says why a relation is not looked at; "" when it is.
func (p *prover) leftOut(r *catalog.Relation) string {
	switch {
	case p.view.Class(r.QName()) == catalog.IgnoredTable:
		return p.view.Table(r.QName()).Why
	case r.Extension != "":
		return "it belongs to the extension " + r.Extension
	case !slices.Contains(p.model.Schemas, r.Schema):
		return "its schema is not among those looked at (--schema, tables.schemas)"
	}
	return ""
}

func (p *prover) noteTarget(t *target) {
	one := prove.Noted{Object: t.name()}
	switch {
	case !t.reachable():
		one.Reason = "the role has no right to it"
		if !t.reach.usage {
			one.Reason = "the role has no USAGE on its schema"
		}
		p.report.NotReachable = append(p.report.NotReachable, one)
		p.unprotected(t)
	case t.class == catalog.SharedTable && t.readable():
		one.Reason = t.model.Why
		if t.reach.insert || t.reach.update || t.reach.delete {
			one.Reason += "; the role may change it, and what one tenant writes there all others read"
		}
		p.report.Shared = append(p.report.Shared, one)
	case t.rel.Kind == catalog.View && t.readable():
		if base := p.view.Beneath(t.rel.QName()); len(base) > 0 && !slices.ContainsFunc(base, p.holdsTenants) {
			one.Reason = "it shows " + base[0].String() + ", which holds no tenant's rows as far as moat can tell"
			p.report.Shared = append(p.report.Shared, one)
		}
	}
}

// unprotected reports a table of tenants that only a missing grant keeps shut.
func (p *prover) unprotected(t *target) {
	if !t.isTable() || !p.private(t) || t.rel.RLS || t.rel.Partition {
		return
	}
	p.report.Add(prove.Probe{Attack: "unprotected", Object: t.name(), Verdict: prove.VerdictUndecided,
		Reason: "the role has no right to it today, and its row-level security is off: the first GRANT opens every " +
			"tenant's rows. Protect it, or name it under tables.ignore"})
}

// reachable says whether the application role may do anything to the relation.
func (t *target) reachable() bool {
	r := t.reach
	rows := len(r.selects) > 0 || r.insert || r.update || r.delete || r.truncate
	return r.usage && (rows || r.trigger || r.references || r.maintain) || r.owner
}

// counts says whether a finding about an object is one to report: of what the role cannot
// reach, and of what every tenant reads alike, only a leak says something.
func (st *site) counts(v prove.Verdict) bool {
	return v != prove.VerdictIsolated || st.target == nil || st.reachable() && st.class != catalog.SharedTable
}
