// Package moat gives Go programs tenant-scoped access to PostgreSQL: every
// statement runs with the tenant of its context, and PostgreSQL's row-level
// security shows it that tenant's rows and no others.
//
// # Guarantee
//
// A [DB] sends the tenant and the statement to the server together, in one round
// trip and one transaction. A statement that forgets its WHERE returns the rows of
// the scope's tenant; a statement without a tenant is refused with [ErrNoTenant]
// before anything is sent. The tenant is a transaction-local setting, so nothing of
// it is left on a pooled connection: not after an error, a cancelled context, a
// deadline, a broken connection or a panic. [Open] refuses a role that row-level
// security does not bind ([*UnsafeRoleError]).
//
// # Trees of tenants
//
// Where tenants lie below tenants, an agency and its clients, a [Scope] of width
// [Descendants] reads the rows of its tenant and of all below it. The binding switches to
// [Options].TreeRole for the transaction, whose policies decide what is below; nothing of
// the role stays on the connection. Such a transaction reads only, unless
// [Options].WritesBelow is set. The zero width, [Own], costs what it does without a tree.
//
// # Limits
//
// The wall is the policies in the database; "moat audit" says whether they are sound.
// Whoever can run their own SQL on the application's connection can set
// the plain setting to another tenant; sealed mode closes that. In either mode they can widen
// their tenant's view to its descendants: the tree's role is no authority. What a whole foreign
// statement may leave in a session (a temporary table, a LISTEN, a WITH HOLD cursor)
// is cleared on release only with [Options].Paranoid.
//
// One round trip means once the statement is prepared on the connection; the first
// use of a statement on a connection takes one more.
package moat
