// Package lifecycle carries out what happens to one tenant as a whole: its rows are
// counted, exported, erased with a certificate, restored from a backup, or copied under a
// new id. Which rows those are is derived from the catalog and the tenant model, never
// from a list kept by hand.
//
// It guarantees that only rows of the named tenant are written, that what moat cannot
// assign to a tenant stops the work before anything changes, and that work which was
// interrupted is continued or has left nothing behind.
//
// Its limits: it works as the operator, a role that policies do not bind, so that whoever
// holds that connection can do all of it to every tenant. Rows outside of the database,
// such as files, backups, replicas and logs, are listed and not touched.
package lifecycle
