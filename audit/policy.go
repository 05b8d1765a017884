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
	using verdictOf
	check verdictOf // of what applies to new rows: WITH CHECK, else USING
}

var commands = []string{"SELECT", "INSERT", "UPDATE", "DELETE"}

func (f *facts) judgePolicies() {
	f.collectIdentity()
	for i := range f.s.Relations {
		r := &f.s.Relations[i]
		for k := range r.Policies {
			p := &r.Policies[k]
			judged := &judgedPolicy{Policy: p, using: f.judgeExpr(r, p.Using), check: f.judgeExpr(r, p.Check)}
			if p.Check == nil && p.Command != "INSERT" {
				judged.check = judged.using
			}
			f.policies[r.QName()] = append(f.policies[r.QName()], judged)
		}
	}
	f.collectPredicates()
}

// covers says whether a policy applies to a command.
func (p *judgedPolicy) covers(command string) bool { return p.Command == "ALL" || p.Command == command }

// binds says whether a policy applies to a role: PUBLIC, or a role whose privileges
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

func (p *judgedPolicy) on(s side) verdictOf {
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
	class   class
}

// gaps returns every gap of a table for a role, in order of policy and command.
func (f *facts) gaps(r *catalog.Relation, role string) []gap {
	var out []gap
	for _, p := range f.policies[r.QName()] {
		if !p.Permissive || !f.binds(p, role) {
			continue
		}
		for _, command := range commands {
			if !p.covers(command) || !f.touches(role, r, command) {
				continue
			}
			for _, s := range sidesOf(command) {
				v := p.on(s)
				if f.opens(v, command, s) && !f.restricted(r, role, command, s) {
					out = append(out, gap{r, p, role, command, s, v.class})
				}
			}
		}
	}
	return out
}

// opens says whether an expression lets another tenant's rows through for a command.
// To read rows that have no tenant is no leak; to write them is.
func (f *facts) opens(v verdictOf, command string, s side) bool {
	switch v.class {
	case isolating, absent:
		return false
	case ownRows:
		return s == admitted // enough to see by, not to write by
	}
	return !(v.nulls && command == "SELECT")
}

func (f *facts) restricted(r *catalog.Relation, role, command string, s side) bool {
	for _, p := range f.policies[r.QName()] {
		if !p.Permissive && p.covers(command) && f.binds(p, role) && p.on(s).class == isolating {
			return true
		}
	}
	return false
}

// restrictive returns the restrictive policies of a table that are meant to isolate:
// they do, or they speak of the tenant column, or of nothing at all.
func (f *facts) restrictive(r *catalog.Relation) []*judgedPolicy {
	j := f.judge(r)
	var out []*judgedPolicy
	for _, p := range f.policies[r.QName()] {
		if p.Permissive {
			continue
		}
		meant := p.using.class == isolating || p.check.class == isolating || p.Using == nil && p.Check == nil
		for _, e := range expressions(p.Policy) {
			meant = meant || contains(e.Root, j.own)
		}
		if meant {
			out = append(out, p)
		}
	}
	return out
}

// judged returns the tables whose policies are judged: tables of tenants that have
// row-level security.
func (f *facts) judged() []*catalog.Relation { return f.enabled }

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

// collectPredicates finds what this database's policies compare the tenant column
// with, where it is not the plain setting: a claim, a helper, a membership. Suggested
// policies then say the same.
func (f *facts) collectPredicates() {
	whole, plain := map[string]string{}, false
	for i := range f.s.Relations {
		r := &f.s.Relations[i]
		j := f.judge(r)
		c := r.Column(j.col)
		if c == nil {
			continue
		}
		key := predicateKey(c.Name, c.Type)
		for _, p := range f.policies[r.QName()] {
			if p.Using == nil || p.using.class != isolating || p.using.AlwaysFalse {
				continue
			}
			plain = plain || j.simple(p.Using.Root)
			if value := j.otherValue(p.Using); value != "" && f.predicates[key] == "" {
				f.predicates[key] = policy.Equals(sqltext.Ident(c.Name), value, policy.Wrapped)
			}
			// A membership is taken word for word, if its words hold for another table.
			if whole[key] == "" && !strings.Contains(p.Using.Text, r.Name+".") && !slices.Contains(tablesRead(p.Policy), r.QName()) {
				whole[key] = p.Using.Text
			}
		}
	}
	if plain {
		return
	}
	for key, text := range whole {
		if f.predicates[key] == "" {
			f.predicates[key] = text
		}
	}
}
