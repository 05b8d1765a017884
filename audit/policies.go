package audit

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/policy"
)

// openPolicy is one policy that is open, with all the commands it is open for.
type openPolicy struct {
	r        *catalog.Relation
	p        *judgedPolicy
	flaw     policy.Flaw
	side     side
	commands []string
	role     string
}

// openPolicies returns the gaps that a policy makes by what it says, one per policy and
// side, of the flaws wanted or of all. Gaps that come from a restrictive policy's reach, or from a membership,
// belong to rules of their own.
func (f *facts) openPolicies(want ...policy.Flaw) []openPolicy {
	if f.open == nil {
		f.open = []openPolicy{}
		for _, r := range f.judgedTables {
			f.open = append(f.open, f.openOf(r)...)
		}
	}
	return list.Filter(f.open, func(o openPolicy) bool { return len(want) == 0 || slices.Contains(want, o.flaw) })
}

// openOf returns the open policies of one table.
func (f *facts) openOf(r *catalog.Relation) []openPolicy {
	var out []openPolicy
	for _, role := range f.subjects(r) {
		for _, g := range f.gaps(r, role) {
			if f.otherRuleReports(g) {
				continue
			}
			i := slices.IndexFunc(out, func(o openPolicy) bool { return o.p == g.p && o.side == g.side })
			if i < 0 {
				out = append(out, openPolicy{r: r, p: g.p, flaw: g.flaw, side: g.side, role: role})
				i = len(out) - 1
			}
			if !slices.Contains(out[i].commands, g.command) {
				out[i].commands = append(out[i].commands, g.command)
			}
		}
	}
	// What is open to reading is told once: the same expression checks new rows.
	return slices.DeleteFunc(out, func(o openPolicy) bool {
		return o.side == admitted && slices.ContainsFunc(out, func(x openPolicy) bool { return x.p == o.p && x.side == seen })
	})
}

// otherRuleReports reports whether another rule is about a gap: one about the restrictive
// policy that should have closed it, or about the membership that brings it.
func (f *facts) otherRuleReports(g gap) bool {
	return len(f.restrictive(g.r)) > 0 || f.through(g.p, g.role) != ""
}

// through returns the role that brings a policy to an application role: one that it
// is a member of, "" when the policy names PUBLIC or an application role itself.
func (f *facts) through(p *judgedPolicy, role string) string {
	for _, r := range p.Roles {
		if r == "" || slices.Contains(f.apps, r) {
			return ""
		}
	}
	if len(f.apps) == 0 {
		return ""
	}
	for _, r := range p.Roles {
		if f.has(role, r) {
			return r
		}
	}
	return ""
}

// findings turns open policies into findings about the policy.
func (f *facts) policyFindings(message, why string, fix func(openPolicy) []string, want ...policy.Flaw) []Finding {
	var out []Finding
	for _, o := range f.openPolicies(want...) {
		if o.side == admitted {
			continue // policy-check
		}
		out = append(out, onPart(o.r, o.p.Name, message, why+" "+o.reach()).with(fix(o)...))
	}
	return out
}

// reach says what a gap is open for.
func (o openPolicy) reach() string {
	return fmt.Sprintf("The policy is open to %s for %s.", o.role, strings.Join(o.commands, ", "))
}

// replaceSQL gives a policy what isolates in place of its expressions: the branches of
// its own that do, else the tenant predicate.
func (f *facts) replaceSQL(o openPolicy) []string {
	if f.tenantColumn(o.r.QName()) == "" {
		return nil
	}
	using, check := f.sound(o.r, o.p.Using), ""
	if o.p.Command == "INSERT" {
		using, check = "", f.sound(o.r, o.p.Check)
	}
	if o.p.Check != nil && !closed(o.p.check) {
		check = f.sound(o.r, o.p.Check)
	}
	return []string{policy.Alter(o.r.QName(), o.p.Name, using, check)}
}

// sound returns the branches of an OR that isolate by themselves, the tenant predicate
// where there are none: another model in their stead could show more than they do.
func (f *facts) sound(r *catalog.Relation, e *catalog.Expr) string {
	if e == nil || e.Root == nil || e.Root.Kind != catalog.NodeOr {
		return f.predicate(r)
	}
	texts := branches(e.Text)
	if len(texts) != len(e.Root.Args) {
		return f.predicate(r)
	}
	var kept []string
	for i, n := range e.Root.Args {
		if f.look.Judge(&catalog.Expr{Root: n}, r).Isolates {
			kept = append(kept, texts[i])
		}
	}
	return cmp.Or(strings.Join(kept, " OR "), f.predicate(r))
}

// branches cuts "(a OR b)", as PostgreSQL prints it, at its own ORs.
func branches(text string) []string {
	text = strings.TrimSpace(text)
	if strings.HasPrefix(text, "(") && enclosed(text) == text {
		text = text[1 : len(text)-1]
	}
	var out []string
	depth, from := 0, 0
	for _, t := range sqltext.Code(text) {
		switch {
		case t.Text == "(":
			depth++
		case t.Text == ")":
			depth--
		case depth == 0 && t.Is("or"):
			out, from = append(out, strings.TrimSpace(text[from:t.Pos])), t.End
		}
	}
	return append(out, strings.TrimSpace(text[from:]))
}

// narrowSQL puts the tenant predicate in front of what a policy says already.
func (f *facts) narrowSQL(o openPolicy) []string {
	if f.tenantColumn(o.r.QName()) == "" {
		return nil
	}
	expr := f.predicate(o.r)
	with := func(e *catalog.Expr) string { return expr + " AND " + enclosed(e.Text) }
	using, check := "", ""
	if o.p.Using != nil && !closed(o.p.using) {
		using = with(o.p.Using)
	}
	if o.p.Check != nil && !closed(o.p.check) {
		check = with(o.p.Check)
	}
	return []string{policy.Alter(o.r.QName(), o.p.Name, using, check)}
}

// enclosed puts parentheses around an expression that has none of its own.
func enclosed(text string) string {
	depth := 0
	for _, t := range sqltext.Code(text) {
		switch t.Text {
		case "(":
			depth++
		case ")":
			depth--
		}
		if depth == 0 && t.End < len(text) {
			return "(" + text + ")"
		}
	}
	return text
}
