package serving

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/guard"
	"github.com/moat-db/moat/internal/sqltext"
)

// Why somebody may not come in.
var (
	ErrUnknownTenant = errors.New("the tenant is not known")
	ErrSuspended     = errors.New("the tenant is suspended")
	ErrNotMember     = errors.New("the caller is not a member of the tenant")
)

// Verdict is what is known of a tenant and a caller. The zero Verdict lets nobody in.
type Verdict struct {
	Known, Suspended, Member bool
	// Role is the caller's by the membership; nil where the token says it.
	Role *string
	// Name is the tenant's, for people; it says nothing of who may come in.
	Name string

	below bool // the tenant that was chosen is below this one
}

// Admit returns the scope that a caller who may come in acts as, with the role of the
// membership where one decides. Its error is [ErrUnknownTenant], [ErrNotMember] or
// [ErrSuspended], which only members learn.
func (v Verdict) Admit(s moat.Scope) (moat.Scope, error) {
	switch {
	case !v.Known:
		return moat.Scope{}, ErrUnknownTenant
	case !v.Member:
		return moat.Scope{}, ErrNotMember
	case v.Suspended:
		return moat.Scope{}, ErrSuspended
	}
	if v.Role != nil {
		s.Role = *v.Role
	}
	return s, nil
}

// Look lets an operator look at a tenant, suspended or not, without being a member; in a scope
// that names a member it returns that member's. What is looked at must be there anyway.
func (v Verdict) Look(s moat.Scope) (moat.Scope, error) {
	switch {
	case !v.Known:
		return moat.Scope{}, ErrUnknownTenant
	case s.Subject != "" && !v.Member:
		return moat.Scope{}, ErrNotMember
	}
	if s.Subject != "" && v.Role != nil {
		s.Role = *v.Role
	}
	return s, nil
}

// Membership names the table that says which subject belongs to which tenant.
type Membership struct {
	Table catalog.QName
	// Subject, Tenant, Role and Issuer are its columns; zero means subject, the tenant
	// column, no role and no issuer. With a Role column the role is that of the row, not
	// the token's; with an Issuer column a member is an issuer's subject.
	Subject, Tenant, Role, Issuer string
}

func (m Membership) subject() string { return cmp.Or(m.Subject, "subject") }

func (m Membership) tenant(model *catalog.Model) string { return cmp.Or(m.Tenant, model.Column) }

// Check is what the database is asked about a tenant and a caller. It belongs to one
// state of the schema, and may be used by several goroutines at once.
type Check struct {
	// Tenants is the table that lists the tenants; nil where the model has none.
	Tenants *Tenants

	issuers map[string]questions // by the name of the issuer; "" for the operator
	hasRole bool
	members bool // somebody says who is a member
	wall    bool // the database's policies ask whose member the caller is
	kind    moat.TenantType
	names   string   // the column that hosts and paths name tenants by
	tree    question // whether a tenant is below another; without a text nobody can tell
	own     own      // the tenants of a caller
	lookups map[string]lookup
	limit   string // see LimitSQL
}

// questions are what is asked about the callers of one issuer.
type questions struct {
	Speaker
	tenant, member question
	tree           question // asked of a token's tenant when one below it is chosen
	guard          question // tenant and member, as one expression that fails
	// below are those about a tenant alone: one that is chosen below the token's, where it
	// has been asked who may come in, or that of a key, whose maker has been asked for.
	below *questions
}

// newCheck writes the questions. What is asked for and cannot be read is an error: a
// check must not be left out because a name is misspelled.
func newCheck(x *Exposure, a Admission) (*Check, error) {
	t, err := x.Tenants(a.SuspendedColumn)
	if err != nil {
		return nil, err
	}
	c := &Check{Tenants: t, issuers: map[string]questions{}, hasRole: a.Membership.Role != "",
		members: a.Membership.Table.Name != "", wall: x.asksMember(), kind: kindOf(x.Model.Type),
		tree: x.treeQuestion(), lookups: map[string]lookup{}, limit: x.limitQuestion()}
	member, err := x.memberCondition(a.Membership)
	if err != nil {
		return nil, err
	}
	if err := c.addLookups(x, a); err != nil {
		return nil, err
	}
	c.own = x.ownQuestion(a.Membership)
	c.issuers[""] = c.ask(x, Speaker{All: true}, a.Membership, member)
	for name, s := range a.Issuers {
		if err := x.checkSpeaker(t, s); err != nil {
			return nil, fmt.Errorf("issuer %s: %w", name, err)
		}
		if s.Tenants, err = c.listed(s.Tenants); err != nil {
			return nil, fmt.Errorf("issuer %s: tenants: %w", name, err)
		}
		c.issuers[name] = c.ask(x, s, a.Membership, member)
	}
	return c, nil
}

// listed are tenants of a list as tokens have them.
func (c *Check) listed(tenants []moat.Tenant) ([]moat.Tenant, error) {
	var all []moat.Tenant
	for _, t := range tenants {
		t = c.canonical(t)
		if err := c.kind.Validate(t); err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return all, nil
}

// AsksMember reports whether the database shows a tenant's rows to its members only: who is
// none sees nothing, whatever tenant is bound.
func (c *Check) AsksMember() bool { return c.wall }

// canonical is how tenants are compared: PostgreSQL reads both cases as the same uuid.
func (c *Check) canonical(t moat.Tenant) moat.Tenant {
	if c.kind == moat.UUID {
		return moat.Tenant(strings.ToLower(string(t)))
	}
	return t
}

// kindOf is the kind of tenant that a column's type holds.
func kindOf(typ string) moat.TenantType {
	switch t := moat.TenantType(typ); t {
	case moat.UUID, moat.BigInt, moat.Integer:
		return t
	case "smallint":
		return moat.Integer
	}
	return moat.Text
}

// of returns what is asked about a caller, and false of an issuer that speaks for nobody.
func (c *Check) of(who Caller) (questions, bool) {
	name := who.Issuer
	if who.Looks {
		name = "" // nobody's token
	}
	q, ok := c.issuers[name]
	if !ok && len(c.issuers) == 1 { // nothing says for whom issuers speak
		q, ok = c.issuers[""], true
	}
	if (who.Above != "" || who.Maker != "" || who.Unasked) && q.below != nil {
		q = *q.below
	}
	return q, ok && q.may(who.Tenant)
}

// Wide reports whether a caller may be shown several tenants at once: its issuer speaks for all.
// Which of those below an issuer with a list speaks for, no policy knows.
func (c *Check) Wide(who Caller) bool {
	q, ok := c.of(who)
	return ok && q.All
}

// ask writes the questions about an issuer's callers.
func (c *Check) ask(x *Exposure, s Speaker, m Membership, member condition) questions {
	q := questions{Speaker: s}
	var tenant condition
	if t := c.Tenants; t != nil && t.Checked {
		tenant = x.tenantCondition(t, s)
		q.tenant = x.tenantQuestion(t, tenant)
	}
	if member != nil {
		q.member = write(func(param func(fact) string) string {
			return "select " + m.role() + " from " + m.Table.SQL() +
				" where " + member(param)
		})
	}
	q.guard = c.guard(x, m, tenant, member)
	q.below = &questions{Speaker: s, guard: c.guard(x, m, tenant, nil), tenant: q.tenant}
	return q
}

func (m Membership) role() string {
	if m.Role == "" {
		return "null::text"
	}
	return sqltext.Ident(m.Role) + "::text"
}

// guard is the questions as an expression for a request's own pipeline. Where the caller may
// not come in it fails, by a text that is no number, and the server skips what comes behind it.
func (c *Check) guard(x *Exposure, m Membership, tenant, member condition) question {
	if tenant == nil && member == nil {
		return question{}
	}
	return write(func(param func(fact) string) string {
		var all []string
		if tenant != nil {
			ofRow, ofTenant := c.Tenants.Suspension.apart(func() string {
				return param(factTenant) + "::" + x.parameter(c.Tenants.Column(c.Tenants.Key))
			})
			all = append(all, "exists (select from "+c.Tenants.QName().SQL()+" where "+tenant(param)+" and not ("+ofRow+"))",
				"not "+ofTenant)
		}
		if member != nil {
			from := m.Table.SQL() + " where " + member(param)
			if c.hasRole {
				from += " and coalesce(" + m.role() + ", '') = " + param(factRole)
			}
			all = append(all, "exists (select from "+from+")")
		}
		return "(case when " + strings.Join(all, " and ") + " then '0'::text else 'refused' end)::integer"
	})
}

// tenantCondition finds the tenant, among those that the issuer speaks for. A token that has
// it by the issuer's own name must still mean this one: byte by byte, whatever the column's
// own comparison is.
func (x *Exposure) tenantCondition(t *Tenants, s Speaker) condition {
	return func(param func(fact) string) string {
		text := sqltext.Ident(t.Key) + " = " + param(factTenant) + "::" + x.parameter(t.Column(t.Key))
		if s.Column != "" {
			text += " and " + exactly(s.Column) + " = " + param(factIssuer)
		}
		if s.Lookup != "" {
			text += " and (" + param(factByMember) + " or " + exactly(s.Lookup) + " = " + param(factExternal) + ")"
		}
		return text
	}
}

// exactly is a column compared byte by byte, whatever its own way to compare is.
func exactly(column string) string { return sqltext.Ident(column) + `::text collate "C"` }

func (x *Exposure) tenantQuestion(t *Tenants, is condition) question {
	name := "''"
	if t.Label != "" && x.readable(t.Relation, t.Label) {
		name = "coalesce(" + sqltext.Ident(t.Label) + "::text, '')"
	}
	return write(func(param func(fact) string) string {
		return "select " + t.Suspension.SQL() + ", " + name + " from " + t.QName().SQL() + " where " + is(param)
	})
}

// memberCondition finds the membership of the caller in the tenant; nil where no table says
// who is a member.
func (x *Exposure) memberCondition(m Membership) (condition, error) {
	if m.Table.Name == "" {
		return nil, nil
	}
	r := x.Relation(m.Table)
	if r == nil || !x.Uses(r.Schema) || !x.HasTablePrivilege(x.Role, r, "SELECT") {
		return nil, fmt.Errorf("membership: there is no table %s, or the application role may not read it", m.Table)
	}
	for _, name := range []string{m.subject(), m.tenant(x.Model), m.Role, m.Issuer} {
		if name != "" && !x.readable(r, name) {
			const missing = "membership: %s has no column %s, or the application role may not read it"
			return nil, fmt.Errorf(missing, m.Table, name)
		}
	}
	is := all(m.isCaller, func(param func(fact) string) string {
		return sqltext.Ident(m.tenant(x.Model)) + " = " + param(factTenant) + "::" + x.parameter(r.Column(m.tenant(x.Model)))
	})
	return is, nil
}

// isCaller finds the memberships of a caller. A token without a subject is nobody, also
// where a row has an empty one.
func (m Membership) isCaller(param func(fact) string) string {
	subject := param(factSubject)
	text := sqltext.Ident(m.subject()) + "::text = " + subject + " and " + subject + " <> ''"
	if m.Issuer != "" {
		text += " and " + sqltext.Ident(m.Issuer) + "::text = " + param(factIssuer)
	}
	return text
}

// treeQuestion finds out whether a tenant is below another, by the closure that moat keeps.
func (x *Exposure) treeQuestion() question {
	tree := x.Model.Shapes.Tree
	if tree == nil {
		return question{}
	}
	r := x.Relation(tree.Closure())
	if r == nil || !x.readable(r, "ancestor") || !x.readable(r, "tenant") {
		return question{}
	}
	return write(func(param func(fact) string) string {
		return "select from " + r.QName().SQL() + " where ancestor = " + param(factTenant) + "::" +
			x.parameter(r.Column("ancestor")) + " and tenant = " + param(factBelow) + "::" + x.parameter(r.Column("tenant"))
	})
}

// parameter is the type to compare a column by. It has no length: a cast would cut a
// tenant that is longer, and ask about another one.
func (x *Exposure) parameter(c *catalog.Column) string {
	base, _, _ := strings.Cut(x.BaseType(c.Type), "(")
	if base == "character" {
		return "bpchar" // character alone has room for one letter
	}
	return base
}

// Guard is for the context of a request's own statements. It fails where the caller may not
// come in, or in another role than the scope's; Ask then tells why. It is zero where there
// is nothing to ask.
func (c *Check) Guard(who Caller) guard.Guard {
	q, ok := c.of(who)
	if !ok {
		return guard.Guard{SQL: refuseAll}
	}
	return guard.Guard{SQL: q.guard.sql, Args: q.guard.args(who)}
}

// refuseAll is the guard of an issuer that does not speak for the tenant.
const refuseAll = "'refused'::text::integer"

// read reads the answers to a caller's questions.
func (c *Check) read(results pgx.BatchResults, q questions) (v Verdict, err error) {
	v.Known, v.Member = q.tenant.sql == "", q.member.sql == ""
	if !v.Known {
		v.Known, err = one(results.QueryRow(), &v.Suspended, &v.Name)
	}
	if err == nil && !v.Member {
		role := new(*string)
		v.Member, err = one(results.QueryRow(), role)
		if c.hasRole { // a membership without one must not leave the token's
			v.Role = cmp.Or(*role, new(string))
		}
	}
	if err == nil && q.tree.sql != "" {
		v.below, err = one(results.QueryRow())
	}
	if err != nil {
		return Verdict{}, err
	}
	return v, nil
}

// one scans a row, and reports whether there was any.
func one(row pgx.Row, into ...any) (found bool, err error) {
	err = row.Scan(into...)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}
