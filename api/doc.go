// Package api serves the tables, views and functions of a database over HTTP,
// compatible with PostgREST, each request as the tenant of its token.
//
// # Guarantee
//
// A request reaches the database only with a verified token, as the tenant that the
// token names, through moat.DB: PostgreSQL's policies decide which rows it sees, and
// the statement names the tenant as well. The URL compiles to SQL through names that
// exist in the schema and bound parameters, nothing else (packages query and plan).
// What package schema does not expose cannot be named. The tenant column cannot be
// written. An answer never holds a database message of class XX, a token or a claim.
//
// A request is one round trip once its statement is prepared; requests that must be
// undone after their result is known (max-affected, tx=rollback, a singular write of
// possibly many rows) take an explicit transaction and three.
//
// # Limits
//
// An answer is built in memory up to Limits.ResponseBytes before its first byte is
// sent, so that an error is never hidden in a half-sent list. A request whose client
// has gone runs on until the statement timeout: a cancelled statement would cost its
// connection. Functions run with what they were granted; a SECURITY DEFINER function
// is as safe as its author made it. Rates and concurrency are counted in one process.
package api
