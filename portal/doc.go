// Package portal serves a web application over the protected tables of any schema:
// what a client sees of its own rows, and the operator's console.
//
// Every statement for a client runs through a [moat.DB] with the scope of the signed-in
// token, in one read-only snapshot a page; the operator's connections serve the
// operator's pages only, each use with a reason and a line in moat.operator_log. Pages
// are made on the server, carry no inline script or style, and ask no other origin for
// anything.
//
// Limits: a table is shown only when row-level security is on for it. In plain mode
// (see package seal) whoever can run SQL as the application role can name another
// tenant; the portal itself only ever binds values. Sessions live in
// encrypted cookies: several processes need the same [Config].SessionKey, and without one a
// restart signs everybody out.
package portal
