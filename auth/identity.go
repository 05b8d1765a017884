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
	// Key is the API key that proved it; nil for a token.
	Key *Key
	// Expires is when the token expires (RFC 7519, 4.1.4), without leeway. Of a
	// key it may be zero: never.
	Expires time.Time
}

// KeyPrefix begins every API key: no token does.
const KeyPrefix = "moat_"

// Key is an API key that an identity was proven by. Issuer is that of who made it.
type Key struct {
	ID string
	// Maker is the subject who made it, whose membership counts; empty for the operator.
	Maker string
}

// Scope returns the scope that statements of this caller run as. Without a tenant
// it is refused everywhere with [moat.ErrNoTenant].
func (id Identity) Scope() moat.Scope {
	return moat.Scope{Tenant: id.Tenant, Subject: id.Subject, Issuer: id.Issuer, Role: id.Role, Claims: id.Claims}
}

// clone keeps a caller that alters its claims from altering the remembered ones.
func (id Identity) clone() Identity {
	id.Claims = bytes.Clone(id.Claims)
	return id
}

type identityKey struct{}

type besideKey struct{}

// BesideFromContext returns the identity of the API key that came beside a token, and false
// when there was none.
func BesideFromContext(ctx context.Context) (Identity, bool) {
	id, ok := ctx.Value(besideKey{}).(Identity)
	return id, ok
}

// FromContext returns the identity that [Middleware] verified, and false when there
// is none.
func FromContext(ctx context.Context) (Identity, bool) {
	id, ok := ctx.Value(identityKey{}).(Identity)
	return id, ok
}
