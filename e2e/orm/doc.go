// Package orm runs what Go's database libraries do, in their own words, on moatsql: two
// tenants at once over one *sql.DB, against the same program on a database that holds one
// tenant alone and has no policies. It is a module of its own so that the library does
// not depend on them.
package orm
