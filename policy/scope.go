package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/internal/sqltext"
)

// Scope is who asks, in SQL: the values that conditions compare with. Policies get
// theirs from [View.Bound]; whoever computes what a tenant may see gives literals.
type Scope struct {
	// Tenant is the current tenant, Subject the caller, and Issuer who vouches for them, as a
	// value of a type; NULL where there is none.
	Tenant, Subject, Issuer func(typ string) string
	// Chosen is what a column of a tenant may be by what is bound: "= value" or "= ANY (…)".
	// Verified is narrower where the caller's membership is asked, which the table of
	// memberships itself cannot do.
	Chosen, Verified func(typ string) string
	// Role is the condition that the caller's role is one of these.
	Role func(names []string) string
	// Above is the set of the tenant and of those above it.
	Above func(typ string) string
	// Wide: Verified holds for what is below the tenant as well.
	Wide bool
	// Unbound: whoever evaluates the conditions reads past all policies, so that those of
	// the memberships may read the memberships.
	Unbound bool
}

// is compares a column with the tenants of the scope.
func (s Scope) is(column string, typ string) string { return column + " " + s.Verified(typ) }

// Bound is the scope of the running transaction, as policies of a table of one form read
// it.
func (v *View) Bound(form Form) Scope { return v.bound(form, v.plainSource()) }

func (v *View) bound(form Form, from source) Scope {
	wrap := func(value string) string {
		if form == Wrapped {
			return "(SELECT " + value + ")"
		}
		return value
	}
	s := Scope{Role: from.hasRole,
		Tenant:  func(typ string) string { return wrap(from.tenant(v.comparable(typ))) },
		Subject: func(typ string) string { return wrap(from.subject(v.comparable(typ))) },
		Issuer:  func(typ string) string { return wrap(from.issuer(v.comparable(typ))) },
	}
	v.verify(&s)
	s.Above = func(typ string) string {
		return fmt.Sprintf("= ANY (ARRAY(SELECT c.ancestor FROM %s c WHERE c.tenant %s))",
			v.Model.Shapes.Tree.Closure().SQL(), s.Verified(typ))
	}
	return s
}

// comparable is the type to cast to: one without a length, which would cut values.
func (v *View) comparable(typ string) string {
	base := v.BaseType(typ)
	if strings.HasPrefix(base, "character varying") {
		return "character varying"
	}
	return base
}

// subject is the caller as policies find it: a setting, or a claim of the token where
// that is what the database's policies read.
func (v *View) subject(typ string) string {
	setting, path := v.subjectSource()
	if len(path) > 0 {
		return claim(setting, path, typ)
	}
	return Tenant(setting, typ)
}

// subjectSource is the setting with the caller, and where in its JSON.
func (v *View) subjectSource() (setting string, path []string) {
	if v.Model.Person {
		return v.Model.Setting, v.Model.Claim
	}
	return cmp.Or(v.Model.Shapes.Subject, moat.DefaultSubjectSetting), v.Model.Shapes.SubjectClaim
}

// issuer is who vouches for the caller, from where the caller is.
func (v *View) issuer(typ string) string {
	setting, path := v.issuerSource()
	if len(path) > 0 {
		return claim(setting, path, typ)
	}
	return Tenant(setting, typ)
}

// issuerSource is the setting with the issuer: beside the caller's claim, "iss" of the same
// token.
func (v *View) issuerSource() (setting string, path []string) {
	if setting, claims := v.subjectSource(); len(claims) > 0 {
		return setting, []string{"iss"}
	}
	return cmp.Or(v.Model.Shapes.Issuer, moat.DefaultIssuerSetting), nil
}

// BindSubject writes the call that makes value, an expression of type text, the caller
// until the transaction ends. Other claims in the same setting stay.
func (v *View) BindSubject(value string) string {
	setting, path := v.subjectSource()
	return bindAt(setting, path, value)
}

// BindIssuer is [View.BindSubject] for who vouches for the caller.
func (v *View) BindIssuer(value string) string {
	setting, path := v.issuerSource()
	return bindAt(setting, path, value)
}

func bindAt(setting string, path []string, value string) string {
	name := sqltext.Literal(setting)
	if len(path) > 0 {
		value = "nullif(" + value + ", '')" // nobody is no claim at all
	}
	for _, key := range slices.Backward(path) {
		value = "pg_catalog.jsonb_build_object(" + sqltext.Literal(key) + ", " + value + ")"
	}
	if len(path) > 0 {
		value = "(coalesce(nullif(pg_catalog.current_setting(" + name + ", true), ''), '{}')::jsonb || " + value + ")::text"
	}
	return "pg_catalog.set_config(" + name + ", " + value + ", true)"
}

func (v *View) columnType(table catalog.QName, column string) string {
	if r := v.Relation(table); r != nil {
		if c := r.Column(column); c != nil {
			return c.Type
		}
	}
	return v.Model.Type
}

// Below widens a scope of policies by what is below the tenant in the tree. in writes
// a hashed filter, which is right beside another condition that has an index.
func (v *View) Below(s Scope, in bool) Scope {
	widen := func(tenants func(string) string) func(string) string {
		return func(typ string) string {
			query := fmt.Sprintf("SELECT c.tenant FROM %s c WHERE c.ancestor %s", v.Model.Shapes.Tree.Closure().SQL(),
				tenants(typ))
			if in {
				return "IN (" + query + ")"
			}
			return "= ANY (ARRAY(" + query + "))"
		}
	}
	wide := s
	wide.Wide, wide.Chosen, wide.Verified = true, widen(s.Chosen), widen(s.Verified)
	return wide
}

func (v *View) roleSetting() string { return cmp.Or(v.Model.Shapes.Role, moat.DefaultRoleSetting) }

func oneOf(names []string) string {
	quoted := list.Map(names, sqltext.Literal)
	if len(names) == 1 {
		return "= " + quoted[0]
	}
	return "= ANY (ARRAY[" + strings.Join(quoted, ", ") + "])"
}

// Caller is somebody of whom it is asked what they may see: texts, "" for none.
type Caller struct {
	Tenant, Subject, Issuer, Role string
	Wide                          bool // under the tree's role
}

// Literal is the scope of one caller, with the tree as the parents say it and not as the
// closure does: what whoever reads past all policies measures them against.
func (v *View) Literal(c Caller) Scope {
	value := func(text string) func(string) string {
		return func(typ string) string {
			if text == "" {
				return cast("NULL", v.comparable(typ))
			}
			return cast(sqltext.Literal(text), v.comparable(typ))
		}
	}
	s := Scope{Tenant: value(c.Tenant), Subject: value(c.Subject), Issuer: value(c.Issuer), Wide: c.Wide, Unbound: true}
	s.Role = func(names []string) string {
		if slices.Contains(names, c.Role) && c.Role != "" {
			return "true"
		}
		return "false"
	}
	v.verify(&s)
	narrow := s
	s.Above = func(typ string) string { return "IN (" + v.reached(narrow.Verified(typ), true) + ")" }
	if c.Wide {
		s.Chosen = func(typ string) string { return "IN (" + v.reached(narrow.Chosen(typ), false) + ")" }
		s.Verified = func(typ string) string { return "IN (" + v.reached(narrow.Verified(typ), false) + ")" }
	}
	return s
}

// reached selects the tenants of [View.recursion].
func (v *View) reached(of string, up bool) string {
	return "SELECT id FROM (" + v.recursion(of, up) + ") r"
}

// recursion selects tenants (start) and each of those above or below them (id), and themselves,
// by following the parents.
func (v *View) recursion(of string, up bool) string {
	key, parent := sqltext.Ident(v.Model.Key), sqltext.Ident(v.Model.Shapes.Tree.Parent)
	step := "t." + parent + " = r.id"
	if up {
		step = "t." + key + " = r.above"
	}
	return fmt.Sprintf("WITH RECURSIVE r (start, id, above) AS (SELECT t.%[1]s, t.%[1]s, t.%[2]s FROM %[3]s t WHERE "+
		"t.%[1]s %[4]s UNION SELECT r.start, t.%[1]s, t.%[2]s FROM r JOIN %[3]s t ON %[5]s) SELECT r.start, r.id FROM r",
		key, parent, v.Model.Tenants.SQL(), of, step)
}

// Pairs counts, and adds up the hashes of, the pairs of the tree that a caller should see in
// the closure, as the parents say it.
func (v *View) Pairs(c Caller) string {
	from := v.Literal(c).Chosen(v.Model.Type)
	pairs := "SELECT start AS ancestor, id AS tenant FROM (" + v.recursion(from, false) + ") below"
	if len(v.Model.Shapes.FromAbove) > 0 {
		pairs += " UNION SELECT id, start FROM (" + v.recursion(from, true) + ") above"
	}
	return "SELECT count(*), coalesce(sum(pg_catalog.hashtextextended(ancestor::text || ' ' || tenant::text, 0)), 0) " +
		"FROM (" + pairs + ") pairs"
}

// Expected is the condition of the rows that a caller should reach by a command, by the
// shapes of the model: those behind the wall that the model's permissive policies allow.
// exact is false where a table has permissive policies of the team's own, which may allow
// less.
func (v *View) Expected(t *catalog.Relation, c Caller, command, application string) (condition string, exact bool) {
	s := v.Literal(c)
	allowed := list.Pick(v.Allowed(t, s), func(a Allowed) (string, bool) {
		return "(" + cmp.Or(a.Using, a.Check) + ")", a.Command == "ALL" || a.Command == command
	})
	if len(allowed) == 0 || v.Shut(t) {
		allowed = []string{"false"}
	}
	return "(" + v.Rows(t, s).On(command) + ") AND (" + strings.Join(allowed, " OR ") + ")", !v.ownRules(t, application)
}

// ownRules reports whether a table has permissive policies for the application that the
// model does not want.
func (v *View) ownRules(t *catalog.Relation, application string) bool {
	ours := map[*catalog.Policy]bool{}
	for _, roles := range [][]string{{application}, {""}} {
		for _, door := range v.Doors(t, roles) {
			ours[v.Found(t, door)] = true
		}
	}
	for p := range catalog.Each(t.Policies) {
		if p.Permissive && !ours[p] && v.Applies(p, application, p.Command) {
			return true
		}
	}
	return false
}

// Facts are the settings with the caller's subject and role.
func (v *View) Facts() (subject, role string) {
	subject, _ = v.subjectSource()
	return subject, v.roleSetting()
}

// IssuerSetting is the setting with who vouches for the caller.
func (v *View) IssuerSetting() string {
	setting, _ := v.issuerSource()
	return setting
}
