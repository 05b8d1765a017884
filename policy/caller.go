package policy

import (
	"fmt"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

// verify has the scope's tenants asked for at the table of memberships where there is one.
func (v *View) verify(s *Scope) {
	narrow := *s
	s.Chosen = func(typ string) string { return "= " + narrow.Tenant(typ) }
	s.Verified = s.Chosen
	c := v.Model.Shapes.Caller
	if c == nil {
		return
	}
	s.Verified = func(typ string) string { return v.asCaller(c, narrow, typ) }
	switch told := v.CallerTenants(); {
	case told == nil:
	case s.Unbound:
		s.Chosen = s.Verified
	default:
		s.Chosen = func(string) string { return "= ANY (ARRAY(SELECT " + told.Function.SQL() + "()))" }
	}
}

// asCaller asks the membership table: for the current tenant, or for all of the caller's.
func (v *View) asCaller(c *catalog.Caller, s Scope, typ string) string {
	query := v.tenantsOf(c, s)
	if c.All {
		return "= ANY (ARRAY(" + query + "))"
	}
	return fmt.Sprintf("= (%s AND o.%s = %s)", query, sqltext.Ident(c.Tenant), s.Tenant(v.columnType(c.Table, c.Tenant)))
}

// tenantsOf selects the caller's tenants from the table of memberships.
func (v *View) tenantsOf(c *catalog.Caller, s Scope) string {
	return fmt.Sprintf("SELECT o.%s FROM %s o WHERE o.%s = %s", sqltext.Ident(c.Tenant), c.Table.SQL(),
		sqltext.Ident(c.Subject), s.Subject(v.columnType(c.Table, c.Subject))) + v.ofIssuer(c.Table, c.Issuer, s, "o.")
}

// CallerTenants is the function that tells policies the caller's tenants, where these are seen
// all at once, and so is what is below them or their people: the policies of the memberships,
// and of what they ask in turn, cannot read those. nil where no policy needs it.
func (v *View) CallerTenants() *Helper {
	c, s := v.Model.Shapes.Caller, &v.Model.Shapes
	if c == nil || !c.All || s.Tree == nil && s.LinkOf(c.Table) == nil {
		return nil
	}
	bare := Scope{Subject: func(typ string) string { return v.subject(v.comparable(typ)) },
		Issuer: func(typ string) string { return v.issuer(v.comparable(typ)) }}
	return &Helper{Table: c.Table, Function: catalog.QName{Schema: catalog.OwnSchema, Name: "caller_tenants"},
		Returns: "SETOF " + v.comparable(v.columnType(c.Table, c.Tenant)), Body: "\n" + v.tenantsOf(c, bare) + "\n"}
}

// ofIssuer narrows what is a subject's to the caller's issuer, where a column names one: the
// same subject of another is somebody else.
func (v *View) ofIssuer(table catalog.QName, column string, s Scope, alias string) string {
	if column == "" {
		return ""
	}
	return " AND " + alias + sqltext.Ident(column) + " = " + s.Issuer(v.columnType(table, column))
}
