// Package proxy speaks PostgreSQL's wire protocol with clients of any language and pins
// each connection to the tenant of a token. A client connects with its usual driver and
// gives the token as its password; the proxy verifies it, connects as the application role
// and binds the tenant to every transaction, in the round trip that the client makes
// anyway.
//
// Nothing is parsed for safety: what a statement looks like decides when the binding is
// sent, never what a statement may do. A wrong guess shows no rows. It cannot show those
// of another tenant, because the proxy binds no tenant but the token's.
//
// A server connection serves one client at a time, and another client only after DISCARD
// ALL and for the same scope: temporary tables, cursors and session settings of one tenant
// must not be met by the next.
package proxy
