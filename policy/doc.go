// Package policy says what a row-level security policy means for tenants: a [View]
// judges expressions, and what the policies of a table, taken together, do to a role
// and a command.
//
// It guarantees that a policy is called isolating only when its expression tree is one
// of the known shapes that are; helper functions in SQL and PL/pgSQL are judged by
// their bodies. Everything else is not.
//
// Its limits: rows that cross tenants already are not seen, and an isolating policy is
// as good as whoever sets the setting that it reads.
package policy
