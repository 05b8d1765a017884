package protect

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/internal/english"
)

// QuestionKind is the kind that the baseline knows the questions of a plan by: question/
// and the kind of [Decision.Kind].
func QuestionKind(kind string) string { return "question/" + kind }

// Kinds are the kinds of question, in the order they are shown. From group enforce on,
// those that block it decide who sees which rows, or whether the application's writes
// still work.
func Kinds() []Kinded {
	return []Kinded{
		{"class", true, "table", "not known to belong to tenants, or to nobody"},
		{"path", true, "table", "with several ways to a tenant"},
		{"shape", true, "table", "whose rows may concern another tenant as well"},
		{"writes", true, "policy", "of yours by which a caller writes into any tenant"},
		{"type", true, "tenant column", "with values that a policy cannot tell apart"},
		{"rows", true, "table", "with rows of no tenant, or of another one"},
		{"wall", true, "policy", "of yours that would show fewer rows"},
		{"beside", true, "policy", "that would open what the wall of its table closes on the shards"},
		{"access", true, "command", "that no policy of yours allows"},
		{"trigger", true, "trigger", "that would fail"},
		{"fill", true, "obstacle", "to a backfill"},
		{"default", true, "tenant column", "with a default of its own"},
		{"owner", true, "object", "owned by the application role"},
		{"member", true, "role", "that would let the application past the policies"},
		{"foreign", true, "foreign table", ""},
		{"connect", false, "role", "that the application may connect as today"},
		{"definer", false, "function", "that would run with the owner's privileges"},
		{"materialized", false, "materialized view", "with every tenant's rows"},
		{"caller", false, "table", "that says which tenants are the caller's"},
		{"doors", false, "table", "with policies of yours beside those of a declared shape"},
		{"shut", false, "table", "that no policy lets anybody read today"},
		{"narrow", false, "policy", "of yours that hides rows which a declared shape shows"},
		{"members", false, "table", "of who belongs to which tenant"},
		{"unique", false, "key", "unique across all tenants"},
		{"exclude", false, "constraint", "across all tenants"},
		{"foreign-key", false, "foreign key", "that cannot include the tenant"},
		{"index", false, "index", "that another one replaces"},
		{"search", false, "search function", ""},
	}
}

// Kinded is one kind of question.
type Kinded struct {
	Kind   string
	Blocks bool
	// Noun is what the question is about, and Rest what is the matter with it.
	Noun, Rest string
}

// Title counts the questions of a kind: "1 table with several ways to a tenant".
func (k Kinded) Title(n int) string {
	if k.Noun == "index" {
		return strings.TrimSpace(english.Count(n, k.Noun, "indexes") + " " + k.Rest)
	}
	return strings.TrimSpace(english.Count(n, k.Noun) + " " + k.Rest)
}

// Kind is the first part of the ID.
func (d *Decision) Kind() string {
	kind, _, _ := strings.Cut(d.ID, "/")
	return kind
}

// Subject is the object that the baseline knows a question by.
func (d *Decision) Subject() string {
	table := d.Table.String()
	switch {
	case d.Table.Name == "":
		return d.Object
	case d.Object == "" || d.Object == d.Table.Name:
		return table
	}
	return table + "." + d.Object
}

// decide asks, unless the baseline accepts going on without an answer.
func (p *planner) decide(d Decision) {
	at := slices.IndexFunc(Kinds(), func(k Kinded) bool { return k.Kind == d.Kind() })
	d.Blocks = d.Blocks || at >= 0 && Kinds()[at].Blocks
	if e, ok := p.baseline.Accepts(QuestionKind(d.Kind()), d.Subject()); ok {
		d.Blocks, d.Accepted = false, e.Reason
	}
	p.plan.Decisions = append(p.plan.Decisions, d)
}

// Open returns the questions that have to be answered before group enforce.
func (p *Plan) Open() []Decision {
	return slices.DeleteFunc(slices.Clone(p.Decisions), func(d Decision) bool { return !d.Blocks })
}

// OpenError is returned by [Apply] and [Emit] for a plan that would go on to group enforce
// while questions are open that decide who sees which rows, or whether the application's
// writes still work. Nothing has been changed.
type OpenError struct{ Open []Decision }

func (e *OpenError) Error() string {
	n := len(e.Open)
	return fmt.Sprintf("%s %s open: from group %s on, rows could vanish or writes fail", english.Count(n, "question"),
		english.Plural(n, "is", "are"), GroupEnforce)
}

// settled refuses to enforce while a question is open. A plan that enforces nothing, since
// everything is, changes nothing of who sees what.
func (p *Plan) settled(until Group) error {
	enforces := slices.ContainsFunc(p.Steps, func(s Step) bool {
		return s.Group.Includes(GroupEnforce) && until.Includes(s.Group)
	})
	if open := p.Open(); len(open) > 0 && (enforces || p.fills(until)) {
		return &OpenError{open}
	}
	return nil
}
