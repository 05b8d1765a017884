package policy

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

// Scope is who asks, in SQL: the values that conditions compare with. Policies get
// theirs from [View.Bound]; whoever computes what a tenant may see gives literals.
type Scope struct {
	// Tenant is the current tenant, and Subject the caller, as a value of a type; NULL
	// where there is none.
	Tenant, Subject func(typ string) string
	// Verified is what a column of a tenant may be: "= value" or "= ANY (…)". It is
	// narrower than Tenant where the caller's membership is asked.
	Verified func(typ string) string
	// Role is the condition that the caller's role is one of these.
	Role func(names []string) string
	// Above is the set of the tenant and of those above it.
	Above func(typ string) string
	// Wide: Verified holds for what is below the tenant as well.
	Wide bool
}

// is compares a column with the tenants of the scope.
func (s Scope) is(column string, typ string) string { return column + " " + s.Verified(typ) }

// Bound is the scope of the running transaction, as policies of a table of one form read
// it.
func (v *View) Bound(form Form) Scope {
	wrap := func(value string) string {
		if form == Wrapped {
			return "(SELECT " + value + ")"
		}
		return value
	}
	s := Scope{Above: v.above, Role: v.boundRole,
		Tenant:  func(typ string) string { return wrap(v.Current(v.comparable(typ))) },
		Subject: func(typ string) string { return wrap(v.subject(v.comparable(typ))) },
	}
	s.Verified = func(typ string) string { return "= " + s.Tenant(typ) }
	if c := v.Model.Shapes.Caller; c != nil {
		s.Verified = func(typ string) string { return v.asCaller(c, s, typ) }
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
	m := v.Model
	if m.Person && len(m.Claim) > 0 {
		return claim(m.Setting, m.Claim, typ)
	}
	if m.Person {
		return Tenant(m.Setting, typ)
	}
	return Tenant(v.subjectSetting(), typ)
}

// asCaller asks the membership table: for the current tenant, or for all of the caller's.
func (v *View) asCaller(c *catalog.Caller, s Scope, typ string) string {
	tenant, subject := "m."+sqltext.Ident(c.Tenant), "m."+sqltext.Ident(c.Subject)
	query := fmt.Sprintf("SELECT %s FROM %s m WHERE %s = %s", tenant, c.Table.SQL(), subject,
		s.Subject(v.columnType(c.Table, c.Subject)))
	if c.All {
		return "= ANY (ARRAY(" + query + "))"
	}
	return fmt.Sprintf("= (%s AND %s = %s)", query, tenant, s.Tenant(v.columnType(c.Table, c.Tenant)))
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
	wide := s
	wide.Wide = true
	wide.Verified = func(typ string) string {
		query := fmt.Sprintf("SELECT c.tenant FROM %s c WHERE c.ancestor %s", v.Model.Shapes.Tree.Closure().SQL(),
			s.Verified(typ))
		if in {
			return "IN (" + query + ")"
		}
		return "= ANY (ARRAY(" + query + "))"
	}
	return wide
}

func (v *View) above(typ string) string {
	return fmt.Sprintf("= ANY (ARRAY(SELECT c.ancestor FROM %s c WHERE c.tenant = %s))",
		v.Model.Shapes.Tree.Closure().SQL(), "(SELECT "+v.Current(v.comparable(typ))+")")
}

// boundRole tests the caller's role once a statement. As a bare comparison in a
// disjunction the planner would take it for rare, and read the whole tenant.
func (v *View) boundRole(names []string) string {
	return fmt.Sprintf("(SELECT true WHERE current_setting(%s, true) %s) IS NOT NULL", sqltext.Literal(v.roleSetting()),
		oneOf(names))
}

// The settings beside the tenant's have their usual names unless the model says others.
func (v *View) subjectSetting() string {
	return cmp.Or(v.Model.Shapes.Subject, moat.DefaultSubjectSetting)
}
func (v *View) roleSetting() string { return cmp.Or(v.Model.Shapes.Role, moat.DefaultRoleSetting) }

func oneOf(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = sqltext.Literal(name)
	}
	if len(names) == 1 {
		return "= " + quoted[0]
	}
	return "= ANY (ARRAY[" + strings.Join(quoted, ", ") + "])"
}
