// Package why says why a statement shows nothing, or is refused: [Ask] runs it once as the
// application, bound to a tenant, and looks as the operator at what it met: for each table
// which policy took how many rows away, or which grant, key, trigger or setting refused it.
//
// It guarantees that nothing stays: the statement runs in a transaction that is rolled back,
// and the operator's looks are read-only. What it shows of rows is their number. A cause is
// named only where the facts leave no other; else it says that it cannot tell.
//
// Its limits: what a rollback does not take back (numbers drawn from sequences, what a
// function does outside the database) happens. Conditions that a join or a subquery makes
// are not counted with, and what calls functions of the application's own is never run as
// the operator.
package why
