// Package watch tells when the isolation of a database is no longer what somebody accepted:
// policies, grants, roles, functions, tables and columns, guards, settings, the release.
//
// A [State] is the accepted facts, in sentences, one file that a person can read and diff. A
// [Watcher] compares the database with it, at the price of one small statement while nothing
// changes, and says what drifted, once, and when it is as it was again.
//
// It guarantees that a change of what [FactsOf] lists is found at the next look, whoever made
// it. Its limits: it sees the catalog, not rows; it does not judge whether a change is good
// (audit does), and what was changed and changed back between two looks leaves no trace.
package watch
