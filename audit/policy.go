package audit

import (
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/policy"
)

// judgedPolicy is a policy with its expressions judged.
type judgedPolicy struct {
	*catalog.Policy
	using policy.Judgement
	check policy.Judgement // of what applies to new rows: WITH CHECK, else USING
}

var commands = []string{"SELECT", "INSERT", "UPDATE", "DELETE"}

func (f *facts) judgePolicies() {
	f.collectIdentity()
	f.collectAsking()
	for r := range catalog.Each(f.s.Relations) {
		for p := range catalog.Each(r.Policies) {
			judged := &judgedPolicy{p, f.look.Judge(p.Using, r), f.look.Judge(p.WriteExpr(), r)}
			f.policies[r.QName()] = append(f.policies[r.QName()], judged)
		}
	}
	f.collectPredicates()
}

// covers reports whether a policy applies to a command.
func (p *judgedPolicy) covers(command string) bool { return p.Command == "ALL" || p.Command == command }

// binds reports whether a policy applies to a role: PUBLIC, or a role whose privileges
// it has.
func (f *facts) binds(p *judgedPolicy, role string) bool {
	return slices.ContainsFunc(p.Roles, func(r string) bool { return r == "" || f.has(role, r) })
}

// sides are the two questions about a command: which rows are seen, and which new
// rows are let in.
type side int

const (
	seen side = iota
	admitted
)

// asks says which sides a command has.
func sidesOf(command string) []side {
	switch command {
	case "INSERT":
		return []side{admitted}
	case "UPDATE":
		return []side{seen, admitted}
	}
	return []side{seen}
}

// reads returns the relations that a policy's subqueries read.
func (p *judgedPolicy) reads() []catalog.QName {
	return slices.Concat(p.using.Subqueries, p.check.Subqueries)
}

func (p *judgedPolicy) on(s side) policy.Judgement {
	if s == admitted {
		return p.check
	}
	return p.using
}

// gap is a permissive policy that lets a role past its tenant: it does not isolate,
// and no restrictive policy that does covers the command for the role.
type gap struct {
	r       *catalog.Relation
	p       *judgedPolicy
	role    string
	command string
	side    side
	flaw    policy.Flaw
}

// gaps returns every gap of a table for a role, in order of policy and command.
func (f *facts) gaps(r *catalog.Relation, role string) []gap {
	var out []gap
	for _, p := range f.policies[r.QName()] {
		if !p.Permissive {
			continue
		}
		for _, command := range commands {
			if !f.look.Applies(p.Policy, role, command) || !f.touches(role, r, command) {
				continue
			}
			for _, s := range sidesOf(command) {
				v := p.on(s)
				enough := f.look.Enough(v, role, command, s == admitted)
				adds := command == "INSERT" && f.look.AddsTenants(r)
				if opens(v, command, s) && !enough && !adds && !f.restricted(r, role, command, s) {
					out = append(out, gap{r, p, role, command, s, v.Flaw})
				}
			}
		}
	}
	return out
}

// closed reports whether an expression isolates, but perhaps for the plan that is kept or
// the spelling of a tenant, of which rules of their own speak.
func closed(j policy.Judgement) bool {
	return j.Flaw == policy.Sound || j.Flaw == policy.Frozen || j.Flaw == policy.Inexact
}

// opens reports whether an expression lets another tenant's rows through for a command.
// To read rows that have no tenant is not a leak; to write them is.
func opens(j policy.Judgement, command string, s side) bool {
	switch {
	case closed(j), j.Flaw == policy.Absent:
		return false
	case j.Flaw == policy.OwnRows:
		return s == admitted // enough to see by, not to write by
	}
	return !j.NullMeansShared || command != "SELECT"
}

func (f *facts) restricted(r *catalog.Relation, role, command string, s side) bool {
	for _, p := range f.policies[r.QName()] {
		if p.Permissive || !f.look.Applies(p.Policy, role, command) {
			continue
		}
		if closed(p.on(s)) || f.look.Enough(p.on(s), role, command, s == admitted) || f.look.Shuts(p.Policy, role) {
			return true
		}
	}
	return false
}

// restrictive returns the restrictive policies of a table that are meant to isolate:
// they do, or they mention the tenant column, or nothing at all.
func (f *facts) restrictive(r *catalog.Relation) []*judgedPolicy {
	var out []*judgedPolicy
	for _, p := range f.policies[r.QName()] {
		meant := p.Using == nil && p.Check == nil
		for _, j := range []policy.Judgement{p.using, p.check} {
			meant = meant || closed(j) || j.ReadsTenant
		}
		if meant && !p.Permissive {
			out = append(out, p)
		}
	}
	return out
}

// subjects returns the roles that policies of r are judged for: those that act for
// the application, or every grantee when no application role is known.
func (f *facts) subjects(r *catalog.Relation) []string {
	if len(f.apps) > 0 {
		return f.acting()
	}
	return f.grantees(r)
}

// settingsRead returns, in lower case, the settings that policies and their helpers
// read.
func (f *facts) settingsRead() []string {
	var out []string
	for i := range f.s.Relations {
		for _, p := range f.policies[f.s.Relations[i].QName()] {
			out = append(append(out, p.using.Settings...), p.check.Settings...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// predicate is an expression that isolates, and the tables that it reads.
type predicate struct {
	text  string
	reads []catalog.QName
}

// collectPredicates finds what this database's policies compare the tenant column
// with, where it is not the plain setting: a claim, a helper, a membership. Suggested
// policies then say the same.
func (f *facts) collectPredicates() {
	whole, plain := map[string]predicate{}, false
	for r := range catalog.Each(f.s.Relations) {
		c := r.Column(f.tenantColumn(r.QName()))
		if c == nil {
			continue
		}
		key := predicateKey(c.Name, c.Type)
		for _, p := range f.policies[r.QName()] {
			if p.Using == nil || !closed(p.using) || p.using.AlwaysFalse {
				continue
			}
			plain = plain || f.look.Plain(p.Using, r)
			if value := f.look.OtherValue(p.Using, r); value != "" && f.predicates[key].text == "" {
				f.predicates[key] = predicate{policy.Equals(sqltext.Ident(c.Name), value, policy.Wrapped), p.using.Subqueries}
			}
			// A membership is taken word for word, if its words hold for another table.
			own := strings.Contains(p.Using.Text, r.Name+".") || slices.Contains(p.using.Subqueries, r.QName())
			if whole[key].text == "" && !own {
				whole[key] = predicate{p.Using.Text, p.using.Subqueries}
			}
		}
	}
	if plain {
		return
	}
	for key, used := range whole {
		if f.predicates[key].text == "" {
			f.predicates[key] = used
		}
	}
}
