package serving

import (
	"errors"
	"slices"

	"github.com/moat-db/moat"
)

// Caller is who asks, and the tenant that it asks for: what a verified token says and what
// the request chooses, before the database has said whether it may come in.
type Caller struct {
	// Scope is what it acts as if it may. Its Issuer signed the token: it must speak for the
	// tenant, and a member is an issuer's subject where memberships name issuers. Without one
	// it is the operator, who looks at any tenant.
	moat.Scope
	// External is the issuer's own name of the tenant, which the tenant must still have; ""
	// where the token has the tenant itself.
	External string
	// Chosen says that the token names no tenant: only a membership lets the caller in.
	Chosen bool
	// Above is the token's tenant where the request chooses one below it; else "".
	Above moat.Tenant

	// Maker made the API key that the caller has: it must be a member, and is asked for as
	// itself. Unasked is the caller with a key of the operator's, which needs no membership.
	Maker   string
	Unasked bool
	// Looks is an operator, who looks at any tenant: through the eyes of the member that the
	// scope names, if it names one.
	Looks bool

	below moat.Tenant // of a caller above: the tenant that it chooses
}

// Why a choice of a tenant cannot be followed.
var (
	ErrChoices   = errors.New("the request chooses two tenants")
	ErrNoMembers = errors.New("the token names no tenant, and nothing says whose member its subject is")
)

// asMaker is who made the caller's key, at the key's tenant.
func (c Caller) asMaker() Caller {
	c.Subject, c.Maker = c.Maker, ""
	return c
}

// above is the same caller at the token's own tenant.
func (c Caller) above() Caller {
	c.Tenant, c.Above, c.below = c.Above, "", c.Tenant
	return c
}

// Speaker says for which tenants an issuer speaks. The zero Speaker speaks for none.
type Speaker struct {
	All     bool
	Tenants []moat.Tenant
	// Column of the tenants table that names the issuer of each tenant.
	Column string
	// Lookup is the column of the tenants table with the issuer's own names of tenants; ""
	// where its tokens have the tenants themselves.
	Lookup string
}

// may says whether a list of tenants lets an issuer speak for one; a column is asked in the
// database.
func (s Speaker) may(t moat.Tenant) bool {
	if s.All || s.Column != "" {
		return true
	}
	return slices.Contains(s.Tenants, t)
}
