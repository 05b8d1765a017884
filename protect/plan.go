package protect

import (
	"slices"

	"github.com/moat-db/moat/baseline"
	"github.com/moat-db/moat/catalog"
)

// Group is one of the nine phases of a plan. They run in the order of [Groups].
type Group string

// The groups of steps. Up to policies nothing changes for a running application; with
// observe, which is planned only where [Config].Observe asks for it, what it does is noted;
// from enforce on it sees only the rows of the tenant it sets.
const (
	GroupRoles    Group = "roles"
	GroupColumns  Group = "columns"
	GroupBackfill Group = "backfill"
	GroupKeys     Group = "keys"
	GroupIndexes  Group = "indexes"
	GroupPolicies Group = "policies"
	GroupObserve  Group = "observe"
	GroupEnforce  Group = "enforce"
	GroupGuards   Group = "guards"
)

// Groups returns the groups in the order they run.
func Groups() []Group {
	return []Group{GroupRoles, GroupColumns, GroupBackfill, GroupKeys, GroupIndexes, GroupPolicies, GroupObserve,
		GroupEnforce, GroupGuards}
}

// DefaultUntil is the last group that runs unless a person asks for more.
const DefaultUntil = GroupPolicies

// Includes reports whether a run until g runs the group other. [GroupPartition] stands
// alone in its plan.
func (g Group) Includes(other Group) bool {
	if other == GroupPartition {
		return true
	}
	all := Groups()
	return slices.Index(all, other) <= slices.Index(all, g)
}

// Kind says how a step runs.
type Kind string

// The kinds of step.
const (
	KindSQL        Kind = "sql"        // its statements, in one transaction
	KindSchema     Kind = "schema"     // the schema moat, which the journal needs as well
	KindBackfill   Kind = "backfill"   // an UPDATE in batches, a transaction each
	KindConcurrent Kind = "concurrent" // an index built CONCURRENTLY, outside a transaction
	KindValidate   Kind = "validate"   // VALIDATE CONSTRAINT: a scan under a weak lock
	KindSwap       Kind = "swap"       // as sql, all statements sent at once: they hold a lock on a busy table
)

// Lock is the strongest table lock a step takes; empty means none.
type Lock string

// The locks that steps take (PostgreSQL manual, 13.3).
const (
	NoLock               Lock = ""
	RowExclusive         Lock = "ROW EXCLUSIVE"
	ShareUpdateExclusive Lock = "SHARE UPDATE EXCLUSIVE"
	ShareRowExclusive    Lock = "SHARE ROW EXCLUSIVE"
	AccessExclusive      Lock = "ACCESS EXCLUSIVE"
)

// Blocks says in words whom a lock keeps waiting.
func (l Lock) Blocks() string {
	switch l {
	case ShareRowExclusive:
		return "writers"
	case AccessExclusive:
		return "readers and writers"
	}
	return "nobody"
}

// Plan is what is missing, in the order it has to happen, and what is not for a
// program to decide. It is plain data: the same Snapshot and Config give the same
// bytes.
type Plan struct {
	Version  int    `json:"version"` // of this form: 1
	Database string `json:"database"`
	Server   int    `json:"server_version"`
	User     string `json:"user"`
	// Fingerprint is that of the Snapshot the plan was made from; [Apply] refuses a
	// plan made from another state of the database.
	Fingerprint string `json:"fingerprint"`
	// Model is how tenants were told apart.
	Model *catalog.Model `json:"model"`

	Steps []Step `json:"steps"`
	// Distribute is what spreads the tables over the servers of Citus, to run in this order
	// once the steps are done.
	Distribute []Distribution `json:"distribute,omitempty"`
	// Strays are checks that no step depends on: rows that no tenant would see.
	Strays []Check `json:"-"`
	// Sights are the tables to be counted before and behind their walls.
	Sights []Sight `json:"-"`
	// Given are steps that this server needs no more, and another does: roles belong to the
	// server. [Emit] writes them.
	Given     []Step     `json:"-"`
	Decisions []Decision `json:"decisions"`
	// Left is what the connected role may not do; someone who may has to.
	Left []Left `json:"left_out"`
	// Unchanged says of tables and policies why nothing is planned for them.
	Unchanged []Note `json:"unchanged"`
	// Chosen are the foreign keys that columns are filled through, kept by the
	// journal so that a run after a crash chooses the same.
	Chosen map[string]string `json:"chosen,omitempty"`
	// Reopened are the entries of the baseline for questions that do not count any more.
	Reopened []baseline.Reopened `json:"reopened,omitempty"`
	// Connect is what to change in the application's connection string.
	Connect string `json:"connect,omitempty"`

	// goal is kept with the journal from the first step on, by name: see [LookPartition].
	goal map[string]string
}

// Empty reports whether nothing is left to do.
func (p *Plan) Empty() bool { return len(p.Steps) == 0 }

// Step is one change: small enough to hold its lock for an instant, or one that
// takes only a lock nobody waits for.
type Step struct {
	// ID is stable from run to run: group/table/what.
	ID    string        `json:"id"`
	Group Group         `json:"group"`
	Kind  Kind          `json:"kind"`
	Table catalog.QName `json:"table,omitzero"`
	Title string        `json:"title"`
	SQL   []string      `json:"sql"`
	// Undo reverses SQL; it can run whether SQL ran or not.
	Undo []string `json:"undo"`
	// Remember are queries whose rows are further statements for the undo: what a
	// Snapshot does not hold, such as the comment of a constraint to be dropped.
	Remember []string `json:"-"`
	// Check must find no row before the step runs; what it finds stops this step,
	// and those that need it, but no other.
	Check *Check `json:"check,omitempty"`
	// Needs names the steps that this one is pointless or would fail without.
	Needs    []string  `json:"needs,omitempty"`
	Backfill *Backfill `json:"backfill,omitempty"`
	// Index is the one that a concurrent step builds; an invalid one of that name is
	// what an interrupted build has left.
	Index catalog.QName `json:"index,omitzero"`
	// Data is true when the step reads or writes rows across tenants: a role under
	// row-level security would skip rows without an error, so it is refused.
	Data bool `json:"data,omitempty"`
	// Superuser is true for what only a superuser may do on every server: [Emit] writes it
	// so that it is left out, with a warning, where the migrating role may not.
	Superuser     bool     `json:"superuser,omitempty"`
	Lock          Lock     `json:"lock,omitempty"`
	Rewrites      bool     `json:"rewrites,omitempty"`
	Scans         bool     `json:"scans,omitempty"`
	Transactional bool     `json:"transactional"`
	Estimate      Estimate `json:"estimate,omitzero"`
	Hazards       []string `json:"hazards,omitempty"`
	Reason        string   `json:"reason"`
}

// needsAny reports whether the step needs one of those that will not run.
func (s Step) needsAny(gone map[string]bool) bool {
	return slices.ContainsFunc(s.Needs, func(id string) bool { return gone[id] })
}

// needed lists the steps that are given; an empty ID is none.
func needed(ids ...string) []string {
	return slices.DeleteFunc(ids, func(id string) bool { return id == "" })
}

// Estimate is the size of a step's work, from pg_class: never exact.
type Estimate struct {
	Rows    int64 `json:"rows,omitempty"` // -1 when the table was never analysed
	Bytes   int64 `json:"bytes,omitempty"`
	Seconds int64 `json:"seconds,omitempty"`
	// Disk is what a new index takes.
	Disk int64 `json:"disk_bytes,omitempty"`
}

// Check is a query for rows that would make a step wrong.
type Check struct {
	ID   string `json:"id"`
	What string `json:"what"`
	// Table is that of a check that no step depends on.
	Table catalog.QName `json:"table,omitzero"`
	// Object is the column or constraint that the rows are wrong by.
	Object string `json:"object,omitempty"`
	// Count returns one bigint; Sample up to twenty of the rows' keys as text.
	Count  string `json:"count"`
	Sample string `json:"sample"`
	// CountAhead and SampleAhead ask the same before the tenant column is added and
	// filled; empty when it is there.
	CountAhead  string `json:"count_ahead,omitempty"`
	SampleAhead string `json:"sample_ahead,omitempty"`
}

// Backfill fills Column of Table where it is NULL from the row that Set selects, or copies
// its rows.
type Backfill struct {
	Table  catalog.QName `json:"table"`
	Column string        `json:"column"`
	// Parts are the tables that hold the rows: the table itself or its partitions.
	Parts []Part `json:"parts"`
	// Set is the scalar sub-select with the tenant; c is the row being filled.
	Set string `json:"set,omitempty"`
	// Into is the table that Columns are copied to, instead of filling Column; Where says
	// of which rows c, and all of them where it is empty.
	Into    catalog.QName `json:"into,omitzero"`
	Columns []string      `json:"columns,omitempty"`
	Where   string        `json:"where,omitempty"`
}

// Part is one physical table of a backfill with the key that it is walked by.
type Part struct {
	Table catalog.QName `json:"table"`
	Key   []Key         `json:"key,omitempty"` // empty: by ctid
}

// Key is a column of a primary key.
type Key struct {
	Column string `json:"column"`
	Type   string `json:"type"`
}

// Decision is a question for a person, with what to run or configure once it is
// answered. Nothing of it is planned until then.
type Decision struct {
	ID       string        `json:"id"`
	Table    catalog.QName `json:"table,omitzero"`
	Object   string        `json:"object,omitempty"` // constraint, index, view or function
	Question string        `json:"question"`
	Why      string        `json:"why"`
	SQL      []string      `json:"sql,omitempty"`
	Config   string        `json:"config,omitempty"` // the moat.yaml key that answers it
	// Blocks: until it is answered or accepted, nothing of group enforce runs.
	Blocks bool `json:"blocks,omitempty"`
	// Accepted is the reason for which the baseline goes on without an answer.
	Accepted string `json:"accepted,omitempty"`
}

// Left is something the connected role may not do.
type Left struct {
	Title  string   `json:"title"`
	Reason string   `json:"reason"`
	SQL    []string `json:"sql"`
}

// Note says why something stays as it is.
type Note struct {
	Object string `json:"object"`
	Reason string `json:"reason"`
}
