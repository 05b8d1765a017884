package audit

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

var ruleViewDefiner = Rule{
	ID: "view-definer", Severity: Critical, Holes: []string{"V01", "V02", "V03", "V04", "V25", "V26", "V31", "V32",
		"V42", "V43"},
	Peer:  "security_definer_view",
	Title: "A view reads a tenant table with rights that bypass its policies",
	check: each(relations, func(f *facts, v *catalog.Relation, report reporter) {
		if v.Kind != catalog.View || v.SecurityInvoker || !f.viewExposed(v) {
			return
		}
		switch t := f.bypassedBy(v); {
		case t == nil:
		case !f.filters(v) || !v.SecurityBarrier:
			report(f.definerView(v, t))
		case !f.keepsTenants(v, t):
			report(onOwnFilter(v, t))
		}
	}),
}

// viewExposed reports whether an application role can query a view, or a view above it, or add a
// row through one: that evaluates no condition of the view.
func (f *facts) viewExposed(v *catalog.Relation) bool {
	barred := f.barred(v)
	return slices.ContainsFunc(append(f.readers(v.QName()), v), func(r *catalog.Relation) bool {
		return f.appTouches(r, "INSERT") || !barred && !f.barred(r) && f.appTouches(r, rowPrivileges...)
	})
}

// bypassedBy returns the first tenant table that a definer view reads itself and whose
// policies do not bind the view's owner. Through a view below it, that view's owner
// counts, or the caller where it is security_invoker.
func (f *facts) bypassedBy(v *catalog.Relation) *catalog.Relation {
	for _, d := range f.look.Reads(v.QName()) {
		if d.Rule != "_RETURN" || !f.lendsRows(d) {
			continue
		}
		t := f.look.Relation(d.On)
		if t != nil && t.IsTable() && (f.holdsTenants(d.On) || t.RLS) && f.bypassesPolicies(v.Owner, t) {
			return t
		}
		if t != nil && (f.unwalled(t) || t.Kind == catalog.MaterializedView && f.carried(t, v.Owner) != nil) {
			return t
		}
	}
	return nil
}

// unwalled reports whether a relation is a foreign table that may hold tenants' rows: no
// policy can be on it.
func (f *facts) unwalled(t *catalog.Relation) bool {
	class := f.look.Class(t.QName())
	return t.Kind == catalog.ForeignTable && class != catalog.SharedTable && class != catalog.IgnoredTable
}

// keepsTenants reports whether a view that takes the place of policies evidently shows each
// caller its own tenant's rows alone: it is one SELECT, and a condition that always holds
// compares the tenant column with who is calling.
func (f *facts) keepsTenants(v, t *catalog.Relation) bool {
	tokens := sqltext.Code(v.Definition)
	where := slices.IndexFunc(tokens, func(t sqltext.Token) bool { return t.Is("where") })
	several := []string{"union", "intersect", "except", "with", "limit", "group"}
	column := f.tenantColumn(t.QName())
	if where < 0 || column == "" || slices.ContainsFunc(tokens[:where], func(t sqltext.Token) bool {
		return slices.ContainsFunc(several, t.Is) || t.Is("where")
	}) {
		return false
	}
	text := strings.TrimSuffix(strings.TrimSpace(v.Definition[tokens[where].Pos+len("where"):]), ";")
	if f.joins(tokens[:where]) && !f.tied(v, tokens, column) {
		return false
	}
	return slices.ContainsFunc(sqltext.Conjuncts(text), func(part string) bool {
		named := slices.ContainsFunc(sqltext.Code(part), func(t sqltext.Token) bool {
			return t.IsName() && t.Name() == column
		})
		asked := named && f.asksCaller(part) && f.ofTenant(part)
		return asked && !slices.ContainsFunc(sqltext.Code(part), func(t sqltext.Token) bool {
			return t.Is("or") || t.Is("case") || t.Is("not") || t.Is("coalesce") || t.Is("<>") || t.Is("like")
		})
	})
}

// joins reports whether a view's FROM names several relations.
func (f *facts) joins(tokens []sqltext.Token) bool {
	from := slices.IndexFunc(tokens, func(t sqltext.Token) bool { return t.Is("from") })
	return from >= 0 && slices.ContainsFunc(tokens[from:], func(t sqltext.Token) bool { return t.Is("join") || t.Is(",") })
}

// tied reports whether there is a comparison of a tenant column for each table that the view
// reads past its policies: of one with the caller, of each other with that of another.
func (f *facts) tied(v *catalog.Relation, tokens []sqltext.Token, column string) bool {
	tables, ties := 0, 1
	for _, d := range f.look.Reads(v.QName()) {
		if t := f.look.Relation(d.On); d.Rule == "_RETURN" && t != nil && t.IsTable() && f.holdsTenants(d.On) &&
			f.bypassesPolicies(v.Owner, t) {
			tables++
		}
	}
	for i, t := range tokens {
		if t.Is("=") && i > 0 && i+3 < len(tokens) && tokens[i-1].Name() == column && tokens[i+2].Is(".") &&
			tokens[i+3].Name() == column {
			ties++
		}
	}
	return ties >= tables
}

var namedSetting = regexp.MustCompile(`current_setting\('([^']+)'`)

// ofTenant reports whether a condition compares with a setting that policies compare with too,
// or with none by name: another may be set by whoever likes.
func (f *facts) ofTenant(part string) bool {
	return !slices.ContainsFunc(namedSetting.FindAllStringSubmatch(part, -1), func(named []string) bool {
		return !f.known(strings.ToLower(named[1]))
	})
}

// known reports whether a setting says who the caller is: the tenant's, those of the facts
// beside it, a token's claims, or one that a policy reads.
func (f *facts) known(setting string) bool {
	subject, role := f.look.Facts()
	if slices.Contains([]string{strings.ToLower(f.m.Setting), subject, role, f.look.IssuerSetting()}, setting) ||
		strings.HasPrefix(setting, "request.jwt.") {
		return true
	}
	for i := range f.s.Relations {
		for _, p := range f.s.Relations[i].Policies {
			for _, e := range p.Exprs() {
				if strings.Contains(strings.ToLower(e.Text), "'"+setting+"'") {
					return true
				}
			}
		}
	}
	return false
}

func onOwnFilter(v, t *catalog.Relation) Finding {
	return onRelation(v, "Nobody can tell from its text that the view shows a caller only its own tenant's rows.",
		fmt.Sprintf("The view reads %s past its policies, and asks who is calling, but no condition that always holds "+
			"compares the tenant with that.", t.QName())).at(High).
		decide("Make it security_invoker, or put the comparison of the tenant column into its WHERE, by AND.")
}

// filters reports whether a view's own text compares rows with the caller's tenant.
func (f *facts) filters(v *catalog.Relation) bool { return f.asksCaller(v.Definition) }

func (f *facts) asksCaller(text string) bool {
	return strings.Contains(text, "current_setting") || f.callsIdentity(text)
}

func (f *facts) definerView(v, t *catalog.Relation) Finding {
	how := fmt.Sprintf("The view runs with the rights of its owner, %s, and the policies of %s do not bind that role.",
		v.Owner, t.QName())
	if !t.RLS {
		how = fmt.Sprintf("The view reads %s, which has no row-level security.", t.QName())
	}
	x := onRelation(v, "The view shows every tenant's rows to every tenant.", how)
	if f.s.Version >= 150000 {
		if f.filters(v) && !f.appTouches(t, "SELECT") {
			// The view is the isolation: made a barrier it stays one, as invoker it would break.
			return x.with(fmt.Sprintf("ALTER VIEW %s SET (security_barrier = true)", v.QName().SQL()))
		}
		x = x.with(fmt.Sprintf("ALTER VIEW %s SET (security_invoker = true)", v.QName().SQL()))
		if !t.RLS && f.tenantColumn(t.QName()) != "" && len(t.Policies) == 0 {
			x = x.with(f.isolateSQL(t)...).with(enableSQL(t)...)
		}
		return x
	}
	if f.bypasses(t.Owner) {
		return x.decide("PostgreSQL %d has no security_invoker views. Give the view to a role that policies bind and that "+
			"has SELECT on what the view reads.", f.s.Version/10000)
	}
	if v.Owner != t.Owner {
		x = x.with(fmt.Sprintf("ALTER VIEW %s OWNER TO %s", v.QName().SQL(), sqltext.Ident(t.Owner)))
	}
	return x.with(enableSQL(t)...)
}
