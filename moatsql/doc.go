// Package moatsql is package moat behind database/sql: a *sql.DB whose statements see
// only the rows of the tenant of their context. GORM, Ent, Bun, sqlx, sqlc, squirrel
// and whatever else takes a *sql.DB run on it unchanged.
//
// The tenant is bound to each statement, not to a connection, in the same round trip:
// there is nothing to set when a connection is taken, and nothing to forget when it is
// given back. A statement whose context has no tenant fails with [moat.ErrNoTenant]
// before anything is sent. A transaction keeps the tenant it began with; inside it a
// context without a tenant is fine, and one of another tenant is
// [moat.ErrTenantMismatch].
//
// A *sql.Conn is no more than a place in the pool: each of its statements is bound
// anew, and what one would leave in the session is refused ([moat.ErrSessionState]).
// Migrations change the schema and belong on the owner's connection, opened with the
// driver alone.
package moatsql
