// Package catalog reads PostgreSQL's catalog into plain values and says what they
// mean for tenants: [Load] gives a [Snapshot], [Infer] the tenant [Model], and a
// [Lookup] answers who may do what, and what policies let through.
//
// It guarantees that reading changes nothing, needs no privilege, and that a policy
// is called isolating only when its expression tree is one of the known shapes that
// are; helper functions in SQL and PL/pgSQL are judged by their bodies.
//
// Its limits: it looks at definitions, not at rows. Rows that cross tenants already,
// settings in the server's files, and what a client sends as a setting are not
// seen. An isolating policy is as good as whoever sets the setting that it reads.
package catalog
