package auth

import (
	"bytes"
	"context"
	"encoding/json"
	"time"

	"github.com/moat-db/moat"
)

// Identity is what a verified token says about the caller. The zero Identity is
// nobody. It is a value; Claims belongs to the holder and may be altered.
type Identity struct {
	// Tenant is the tenant claim, valid for the configured type; a uuid is in lower
	// case. It is empty only where [Config.AllowWithoutTenant] is set.
	Tenant moat.Tenant
	// External is the issuer's own name of the tenant, where [IssuerConfig.External] is
	// set; Tenant is empty then, and whoever knows the database looks it up.
	External string
	// Subject is the caller's id (RFC 7519, 4.1.2); empty if the token has none.
	Subject string
	// Role is the caller's role inside the tenant; empty if the token has none.
	Role string
	// Claims is the whole payload, a JSON object, as it was signed.
	Claims json.RawMessage
	// Issuer is the issuer that signed the token (RFC 7519, 4.1.1).
	Issuer string
	// Expires is when the token expires (RFC 7519, 4.1.4), without leeway.
	Expires time.Time
}

// Scope returns the scope that statements of this caller run as. Without a tenant
// it is refused everywhere with [moat.ErrNoTenant].
func (id Identity) Scope() moat.Scope {
	return moat.Scope{Tenant: id.Tenant, Subject: id.Subject, Role: id.Role, Claims: id.Claims}
}

// clone keeps a caller that alters its claims from altering the remembered ones.
func (id Identity) clone() Identity {
	id.Claims = bytes.Clone(id.Claims)
	return id
}

type identityKey struct{}

// FromContext returns the identity that [Middleware] verified, and false when there
// is none.
func FromContext(ctx context.Context) (Identity, bool) {
	id, ok := ctx.Value(identityKey{}).(Identity)
	return id, ok
}
