package audit

import "github.com/moat-db/moat/catalog"

// Evidence is what the database itself answered, in addition to its catalog. [Probe] gathers
// it; the zero value is none.
type Evidence struct {
	// Plans says, by table, how the planner reads one tenant's rows as an application
	// role. Rules about speed use it.
	Plans map[catalog.QName]Plan
	// Crossing is the number of rows that refer to another tenant's, for each foreign
	// key that does not compare the tenants.
	Crossing []CrossingRows
	// Orphans is the number of rows of tenants that do not exist, by table.
	Orphans map[catalog.QName]int64
	// Hot is the tenant with the most rows of a table that has far more of them than others.
	Hot map[catalog.QName]string
	// SealKeys are the ids of keys of sealed mode that a newer one replaced more than
	// a day ago and that are accepted without an end.
	SealKeys []string
	// Placements are the shards of each distributed table that was asked about.
	Placements map[catalog.QName]Placements
	// Hidden are the statements of migrations that policies hide rows from.
	Hidden []HiddenRows
	// Unseen says what could not be counted.
	Unseen []string
}

// Plan is what EXPLAIN says about a scan of a table.
type Plan struct {
	Sequential bool // a sequential scan with the policy as a filter
}

// CrossingRows is a count of rows that refer to another tenant's.
type CrossingRows struct {
	Table      catalog.QName
	Constraint string
	References catalog.QName
	Rows       int64
	Query      string // shows them
}

// HiddenRows is a statement of a migration that reads or changes rows of a table, as a role
// that the table's policies bind.
type HiddenRows struct {
	Table catalog.QName
	File  string
	Line  int
}
