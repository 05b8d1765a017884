// Package standing keeps how tenants stand: which are suspended, in moat.tenant_state, and
// what each may take of a server, in moat.tenant_limit.
//
// Operators write, over connections of their own; what serves reads, as the application
// role, which sees the current tenant's row and writes none. A tenant without a row is
// neither suspended nor limited otherwise than all.
package standing
