// Package prove attacks the isolation of tenants: it is one tenant and tries
// everything against another. Its packages are database, pool, rest (an API) and
// provetest (helpers for tests); this one holds the report and the registry of attacks.
//
// The guarantee is about the verdicts. A probe is isolated only when it was tried and
// refused, or came back empty while there was something to see; what was not tried is
// listed, and what shows nothing is undecided. Against a database every statement runs
// in a transaction that is rolled back, and rows, sequences and schema are the same
// afterwards.
//
// Its limit is that of any attack: it finds what it tries. Isolated means that these
// probes found nothing, on this schema, with these two tenants. It does not judge what
// tenants of one table share by nature (sizes, estimates, locks); see
// docs/explanation/prove.md.
package prove
