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
// # Limits
//
// The wall is the policies in the database; "moat audit" says whether they are sound.
// Whoever can run their own SQL on the application's connection can set
// the plain setting to another tenant; sealed mode closes that. What a whole foreign
// statement may leave in a session (a temporary table, a LISTEN, a WITH HOLD cursor)
// is cleared on release only with [Options].Paranoid.
//
// One round trip means once the statement is prepared on the connection; the first
// use of a statement on a connection takes one more.
package moat
