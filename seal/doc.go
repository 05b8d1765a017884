// Package seal binds a tenant to a transaction by a signature, so that SQL injected
// into a statement cannot change the tenant.
//
// # Guarantee
//
// With a plain setting, one injected expression, set_config('app.current_tenant', …),
// is enough to become any tenant. In sealed mode the policies read the tenant from
// moat.current_tenant(), which answers only with what moat.enter() has bound in this
// transaction, and moat.enter() binds only what was signed with a key that the
// application role cannot read. The signature covers the tenant, the server process
// of the connection, the time and the facts of the scope; it travels as a bind
// parameter in the batch of the statement, so a statement is still one round trip.
// No extension and no superuser at run time is needed.
//
// An unknown, retired or wrong key binds nothing: reads and writes fail with SQLSTATE
// 28000, and a transaction that was never bound sees no rows.
//
// # Limits
//
// Whoever can read the key, in the program's memory, in the key file or in the
// database as its superuser, can sign any tenant. A token can be used again on the
// same connection until it expires. What a whole foreign statement leaves in a
// session for the next tenant (a replaced prepared statement, a WITH HOLD cursor, a
// temporary table) is cleared only with moat.Options.Paranoid. Through a pooler that
// hides the server process, tokens hold for any connection ([Options].AnyBackend).
// See docs/explanation/threat-model.md for the rest.
package seal
