// Package protect brings an existing database under tenant isolation without
// downtime: it computes what is missing ([New], pure), runs it one small step at
// a time ([Apply]), takes it back ([Undo]) and writes it as migration files
// ([Emit]).
//
// What it guarantees: the same Snapshot and Config give the same Plan byte for
// byte; a plan of the result is empty; every step that ran is in the journal
// (schema moat) together with the SQL that reverses it, written in the step's own
// transaction; a process killed at any moment leaves a database from which the
// next run goes on; nothing is guessed: what only a person can say is a [Decision].
//
// What it does not: it never invents a password, never drops a column or a row it
// did not add, never moves rows between tenants, and it cannot see whether the
// application sets its tenant; from group enforce on, one that does not sees no
// rows.
package protect
