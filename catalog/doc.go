// Package catalog reads PostgreSQL's catalog into plain values: [Load] gives a
// [Snapshot], and a [Lookup] answers what is in it and who may do what. It is the only
// reader of the catalog. What a policy means is package policy's; how the database
// tells its tenants apart, a [Model], is found by package tenancy.
//
// It guarantees that reading changes nothing and needs no privilege: what a role
// cannot see is listed in Snapshot.Unseen.
//
// Its limits: it looks at definitions, not at rows. Settings in the server's files and
// what a client sends as a setting are not seen.
package catalog
