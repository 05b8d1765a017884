package serving

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/catalog"
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
}

// Admit returns the scope that a caller who may come in acts as, with the role of the
// membership where one decides. Its error is [ErrUnknownTenant], [ErrSuspended] or
// [ErrNotMember].
func (v Verdict) Admit(s moat.Scope) (moat.Scope, error) {
	switch {
	case !v.Known:
		return moat.Scope{}, ErrUnknownTenant
	case v.Suspended:
		return moat.Scope{}, ErrSuspended
	case !v.Member:
		return moat.Scope{}, ErrNotMember
	}
	if v.Role != nil {
		s.Role = *v.Role
	}
	return s, nil
}

// Look lets an operator look at a tenant, suspended or not, without being a member. What
// is looked at must be there anyway.
func (v Verdict) Look() error {
	if !v.Known {
		return ErrUnknownTenant
	}
	return nil
}

// Membership names the table that says which subject belongs to which tenant.
type Membership struct {
	Table catalog.QName
	// Subject, Tenant and Role are its columns; zero means subject, the tenant column
	// and no role. With a Role column the role is that of the row, not the token's.
	Subject, Tenant, Role string
}

func (m Membership) subject() string { return cmp.Or(m.Subject, "subject") }

func (m Membership) tenant(model *catalog.Model) string { return cmp.Or(m.Tenant, model.Column) }

// Check is what the database is asked about a tenant and a caller. It belongs to one
// state of the schema, and may be used by several goroutines at once.
type Check struct {
	// Tenants is the table that lists the tenants; nil where the model has none.
	Tenants *Tenants

	tenant, member string // the questions; "" for none
	hasRole        bool
	guard          string // both, as one statement that fails
}

// newCheck writes the questions. What is asked for and cannot be read is an error: a
// check must not be left out because a name is misspelled.
func newCheck(x *Exposure, a Admission) (*Check, error) {
	t, err := x.Tenants(a.SuspendedColumn)
	if err != nil {
		return nil, err
	}
	c := &Check{Tenants: t}
	if t != nil && t.Checked {
		c.tenant = x.tenantQuestion(t)
	}
	if a.Membership.Table.Name != "" {
		c.hasRole = a.Membership.Role != ""
		c.member, err = x.memberQuestion(a.Membership)
	}
	if err == nil {
		c.guard = x.guard(c, a.Membership)
	}
	return c, err
}

// guard is the questions for a request's own pipeline. Where the caller may not come in it
// fails, by a text that is no number, and the server skips what comes behind it.
func (x *Exposure) guard(c *Check, m Membership) string {
	var all []string
	if t := c.Tenants; c.tenant != "" {
		all = append(all, "exists (select from "+t.QName().SQL()+" where "+sqltext.Ident(t.Key)+" = $1::"+
			x.parameter(t.Column(t.Key))+" and not ("+t.Suspension.SQL()+"))")
	}
	if c.member != "" {
		_, from, _ := strings.Cut(c.member, " from ")
		from = strings.NewReplacer("$1", fmt.Sprintf("$%d", len(all)+1), "$2", fmt.Sprintf("$%d", len(all)+2)).Replace(from)
		if c.hasRole {
			from += fmt.Sprintf(" and coalesce(%s::text, '') = $%d", sqltext.Ident(m.Role), len(all)+3)
		}
		all = append(all, "exists (select from "+from+")")
	}
	if len(all) == 0 {
		return ""
	}
	return "select (case when " + strings.Join(all, " and ") + " then '0'::text else 'refused' end)::integer"
}

func (x *Exposure) tenantQuestion(t *Tenants) string {
	name := "''"
	if t.Label != "" && x.readable(t.Relation, t.Label) {
		name = "coalesce(" + sqltext.Ident(t.Label) + "::text, '')"
	}
	return "select " + t.Suspension.SQL() + ", " + name + " from " + t.QName().SQL() +
		" where " + sqltext.Ident(t.Key) + " = $1::" + x.parameter(t.Column(t.Key))
}

func (x *Exposure) memberQuestion(m Membership) (string, error) {
	subject, tenant := m.subject(), m.tenant(x.Model)
	r := x.Relation(m.Table)
	if r == nil || !x.Uses(r.Schema) || !x.HasTablePrivilege(x.Role, r, "SELECT") {
		return "", fmt.Errorf("membership: there is no table %s, or the application role may not read it", m.Table)
	}
	for _, name := range []string{subject, tenant, m.Role} {
		if name != "" && !x.readable(r, name) {
			const missing = "membership: %s has no column %s, or the application role may not read it"
			return "", fmt.Errorf(missing, m.Table, name)
		}
	}
	role := "null::text"
	if m.Role != "" {
		role = sqltext.Ident(m.Role) + "::text"
	}
	// A token without a subject is nobody, also where a row has an empty one.
	return "select " + role + " from " + m.Table.SQL() + " where " + sqltext.Ident(subject) +
		"::text = $1 and $1 <> '' and " +
		sqltext.Ident(tenant) + " = $2::" + x.parameter(r.Column(tenant)), nil
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

// Asks reports whether there is anything to ask: else the verified token alone decides.
func (c *Check) Asks() bool { return c.tenant != "" || c.member != "" }

// Guard is a statement to send ahead of a request's own, in the same transaction. It fails
// where the caller may not come in, or in another role than the scope's; Ask then tells
// why. It has no text where there is nothing to ask.
func (c *Check) Guard(s moat.Scope) (sql string, args []any) {
	if c.tenant != "" {
		args = append(args, string(s.Tenant))
	}
	if c.member != "" {
		args = append(args, s.Subject, string(s.Tenant))
	}
	if c.hasRole {
		args = append(args, s.Role)
	}
	return c.guard, args
}

// Queue adds the questions to a batch, which must run in the scope that they are about.
func (c *Check) Queue(b *pgx.Batch, s moat.Scope) {
	if c.tenant != "" {
		b.Queue(c.tenant, string(s.Tenant))
	}
	if c.member != "" {
		b.Queue(c.member, s.Subject, string(s.Tenant))
	}
}

// Read reads the answers to what Queue added.
func (c *Check) Read(results pgx.BatchResults) (Verdict, error) {
	v := Verdict{Known: c.tenant == "", Member: c.member == ""}
	var err error
	if c.tenant != "" {
		if v.Known, err = one(results.QueryRow(), &v.Suspended, &v.Name); err != nil {
			return Verdict{}, err
		}
	}
	if c.member == "" {
		return v, nil
	}
	role := new(*string)
	if v.Member, err = one(results.QueryRow(), role); err != nil {
		return Verdict{}, err
	}
	if c.hasRole { // a membership without one must not leave the token's
		v.Role = cmp.Or(*role, new(string))
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
