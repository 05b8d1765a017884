package pgtest

import _ "embed"

// Citus is SQL that makes a database of plain PostgreSQL look like a coordinator of Citus
// to whoever reads the catalog, for tests where there is no real one: see MOAT_CITUS_URL. It
// distributes nothing. A superuser runs it as one string.
//
//go:embed citus.sql
var Citus string
