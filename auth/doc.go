// Package auth turns a bearer token into a verified [Identity] and that into the
// [moat.Scope] a statement runs as.
//
// # Guarantee
//
// [Verifier.Verify] returns an Identity only for a JSON Web Token (RFC 7519) that
//
//   - is signed by a key of the very issuer it names, with an algorithm that this
//     key is for (RFC 8725, 3.1 and 3.2);
//   - names that issuer and one of its audiences (or, for an issuer that names none,
//     no audience and one of its clients), has an expiry that has not passed, and is
//     not from the future;
//   - is written in one way only: strict base64url, no duplicate member in any
//     object, no lone surrogate, no critical header (RFC 7515, 4.1.11);
//   - carries a tenant of the tenant column's type, or the issuer's own name of one
//     where [IssuerConfig.External] is set, or none at all where
//     [Config.AllowWithoutTenant] is.
//
// Everything else is refused with [ErrNoToken] or [*TokenError]. Keys that a token
// brings along (jwk, jku, x5c, x5u) are never looked at. A configuration without an
// issuer, an audience or a key is an error of [New], not a verifier that accepts more.
//
// Verified tokens are remembered, never beyond their expiry, and forgotten as soon
// as the key set they were verified with changes.
//
// # Limits
//
// A token is valid until it expires: there is no revocation list. A key that the
// issuer withdraws is refused once the key set has been fetched again, which is
// within [RefreshInterval] while the issuer answers; while it does not, the last
// known keys stay in use. A token under a new key is refused for [UnknownKeyInterval] at
// most, where a token of a stranger has just caused a fetch. Key files are read once.
// The dates of a certificate are not checked. Encrypted tokens (RFC 7516) and opaque tokens are not supported. Whether
// the tenant exists, or is suspended, is for the caller to ask the database.
package auth
