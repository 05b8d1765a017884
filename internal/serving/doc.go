// Package serving says who may come in and what is reachable, once for everything that
// serves a database: the API, the portal, and later the proxy.
//
// Admission: a [Check] is what the database is asked about a tenant and a caller, a
// [Verdict] what it answered, and a [Door] asks in one round trip and remembers for a
// while. The three stand apart, so that a check can also travel with the statement it
// guards.
//
// Exposure: an [Exposure] says which relations, columns and commands the role of the
// connection may use, and which relations no policy keeps apart. It says nothing about
// rows: those are the policies' to judge, in the database.
package serving
