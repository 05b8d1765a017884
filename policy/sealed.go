package policy

import (
	"fmt"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

// In sealed mode policies read the scope from functions of package seal, which tell what a
// signature has proved.

// SealedTenant is the function that returns the tenant.
func SealedTenant() catalog.QName {
	return catalog.QName{Schema: catalog.OwnSchema, Name: "current_tenant"}
}

// sealedFact is the setting in whose place a call of a sealed fact stands; "" for another call.
func (v *View) sealedFact(f *catalog.Function, args []*catalog.Node) string {
	if f == nil || f.Schema != catalog.OwnSchema || f.Name != "current_fact" || !f.Definer || len(args) != 1 {
		return ""
	}
	subject, role := v.Facts()
	return map[string]string{"subject": subject, "issuer": v.IssuerSetting(), "role": role}[bare(args[0]).Value]
}

// SealedTenantCall is the current tenant in sealed mode, as a text, and SealedFact another
// fact of the scope: its subject, issuer or role.
func SealedTenantCall() string { return SealedTenant().String() + "()" }

// SealedFact is documented with [SealedTenantCall].
func SealedFact(name string) string {
	return catalog.OwnSchema + ".current_fact(" + sqltext.Literal(name) + ")"
}

// Sealed reports whether policies of the database read the sealed tenant.
func (v *View) Sealed() bool {
	for i := range v.Snapshot.Relations {
		for _, p := range v.Snapshot.Relations[i].Policies {
			for _, e := range p.Exprs() {
				if strings.Contains(e.Text, SealedTenantCall()) {
					return true
				}
			}
		}
	}
	return false
}

// sealedSource reads the scope from the functions. A subject in the claims of a token is no
// fact that they tell: it stays where it is.
func (v *View) sealedSource() source {
	s := v.plainSource()
	s.tenant = func(typ string) string { return cast(SealedTenantCall(), typ) }
	s.role = SealedFact("role")
	if _, path := v.subjectSource(); len(path) == 0 {
		s.subject = func(typ string) string { return cast(SealedFact("subject"), typ) }
		s.issuer = func(typ string) string { return cast(SealedFact("issuer"), typ) }
	}
	return s
}

// SealedWalls are [View.Walls] as "moat seal on" would make them of those: for a table that
// is made while the others are sealed.
func (v *View) SealedWalls(t *catalog.Relation, application []string) []Spec {
	return v.walls(t, application, v.bound(v.FormOf(t), v.sealedSource()))
}

// source is where the running transaction's scope is read from.
type source struct {
	tenant, subject, issuer func(typ string) string
	role                    string // a text
}

func (v *View) plainSource() source {
	return source{v.Current, v.subject, v.issuer, Tenant(v.roleSetting(), "text")}
}

// hasRole tests the caller's role once a statement. As a bare comparison in a disjunction
// the planner would take it for rare, and read the whole tenant.
func (s source) hasRole(names []string) string {
	return fmt.Sprintf("(SELECT true WHERE %s %s) IS NOT NULL", s.role, oneOf(names))
}
