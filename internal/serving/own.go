package serving

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

// own is how the tenants are found that a caller is a member of.
type own struct {
	question
	bind string // has the statement run as a subject without a tenant
	flat string // why they cannot be told
}

// UnlistedError says why nobody can tell whose member a caller is.
type UnlistedError struct{ Reason string }

func (e *UnlistedError) Error() string { return "the caller's tenants cannot be listed: " + e.Reason }

// MaxOwn is how many tenants are listed at a time.
const MaxOwn = 100

// ownQuestion asks the table of members as the caller without a tenant, who must see its
// own rows in it.
func (x *Exposure) ownQuestion(m Membership) own {
	r := x.Relation(m.Table)
	switch {
	case r == nil:
		return own{flat: "nothing says who is a member: caller in moat.yaml names the table"}
	case r.RLS && !x.showsCaller(r):
		return own{flat: "the policies of " + m.Table.String() + " show a caller nothing before it has a tenant; " +
			"moat protect plans those that do, by caller in moat.yaml"}
	}
	_, role := x.Facts()
	column := x.parameter(r.Column(m.tenant(x.Model)))
	o := own{bind: fmt.Sprintf("select pg_catalog.set_config(%s, '', true), %s, pg_catalog.set_config(%s, '', true), %s",
		sqltext.Literal(x.Model.Setting), x.BindSubject("$1::text"), sqltext.Literal(role), x.BindIssuer("$2::text"))}
	o.question = write(func(param func(fact) string) string {
		tenant := sqltext.Ident(m.tenant(x.Model))
		where := m.isCaller(param) + " and "
		after := param(factTenant)
		return fmt.Sprintf("select distinct %[1]s, %[1]s::text from %[2]s where %[3]s (%[4]s = '' or %[1]s > "+
			"nullif(%[4]s, '')::%[5]s) order by 1 limit %[6]d", tenant, m.Table.SQL(), where, after, column, MaxOwn)
	})
	return o
}

// showsCaller reports whether the policies of a table show a caller its rows before it has a
// tenant: none that must hold asks for the tenant alone.
func (x *Exposure) showsCaller(r *catalog.Relation) bool {
	name, _ := x.Facts()
	tenant, subject, shown := strings.ToLower(x.Model.Setting), strings.ToLower(name), false
	for p := range catalog.Each(r.Policies) {
		if !x.Applies(p, x.Role, "SELECT") || p.Using == nil {
			continue
		}
		read := x.Judge(p.Using, r).Settings
		byTenant := slices.Contains(read, tenant) && !slices.Contains(read, subject)
		if byTenant && !p.Permissive {
			return false
		}
		shown = shown || p.Permissive && !byTenant
	}
	return shown
}

// asksMember reports whether the wall of a table of tenants asks whose member the caller is.
func (x *Exposure) asksMember() bool {
	caller, name := x.Model.Shapes.Caller, ""
	if caller == nil {
		return false
	}
	name, _ = x.Facts()
	for r := range catalog.Each(x.Snapshot.Relations) {
		if x.Class(r.QName()) != catalog.TenantTable || caller.Table == r.QName() {
			continue
		}
		for p := range catalog.Each(r.Policies) {
			if !p.Permissive && p.Using != nil && x.Applies(p, x.Role, "SELECT") &&
				slices.Contains(x.Judge(p.Using, r).Settings, strings.ToLower(name)) {
				return true
			}
		}
	}
	return false
}

// OwnTenant is one tenant that a caller may choose.
type OwnTenant struct {
	Tenant    moat.Tenant `json:"tenant"`
	Name      string      `json:"name"`
	Role      string      `json:"role"`
	Suspended bool        `json:"suspended"`
}

// Own lists the tenants that a caller without a tenant is a member of, at most [MaxOwn]
// that come after one; of a caller with a tenant, that one. It leaves out those
// that the issuer does not speak for, and returns [*UnlistedError] where nobody can tell.
func (d *Door) Own(ctx context.Context, c *Check, who Caller, after moat.Tenant) ([]OwnTenant, error) {
	tenants := []moat.Tenant{who.Tenant}
	if who.Tenant == "" {
		if after != "" && c.kind.Validate(after) != nil {
			return nil, ErrUnknownTenant
		}
		who.Chosen, who.Tenant = true, after
		var err error
		if tenants, err = d.memberOf(ctx, c, who); err != nil {
			return nil, err
		}
	}
	list := []OwnTenant{}
	for _, t := range tenants {
		who.Tenant = t
		v, err := d.Ask(ctx, c, who)
		if err != nil {
			return nil, err
		}
		if !v.Known || !v.Member {
			continue
		}
		one := OwnTenant{Tenant: t, Name: v.Name, Role: who.Role, Suspended: v.Suspended}
		if v.Role != nil {
			one.Role = *v.Role
		}
		list = append(list, one)
	}
	return list, nil
}

func (d *Door) memberOf(ctx context.Context, c *Check, who Caller) ([]moat.Tenant, error) {
	if c.own.sql == "" {
		return nil, &UnlistedError{c.own.flat}
	}
	b := &pgx.Batch{}
	b.Queue(c.own.bind, who.Subject, who.Issuer)
	c.own.queue(b, who)
	results := d.db.UnscopedPool().SendBatch(ctx, b)
	defer results.Close()
	if _, err := results.Exec(); err != nil {
		return nil, err
	}
	rows, err := results.Query()
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (t moat.Tenant, err error) {
		var key any
		err = row.Scan(&key, (*string)(&t))
		return t, err
	})
}
