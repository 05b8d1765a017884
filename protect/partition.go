package protect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/policy"
	"github.com/moat-db/moat/tenancy"
)

// GroupPartition holds the steps of [LookPartition]. It is none of [Groups]: its plan is one
// of its own, for a table that is protected already.
const GroupPartition Group = "partition"

// Partition says how one table is to be partitioned by tenant: either Tenant or Hash is set.
type Partition struct {
	// Table is the table, which has row-level security enabled and forced.
	Table catalog.QName
	// Tenant gets a partition of its own; all others share one.
	Tenant string
	// Hash is the number of partitions that tenants are spread over, from 2 to 1024.
	Hash int
	// LockBudget is how long readers and writers may be kept out at once. Zero means 1 s.
	LockBudget time.Duration
}

// The forms of the tables that a plan makes and leaves.
const (
	defaultBudget = time.Second
	mostHash      = 1024
	// What a DEFAULT partition takes to delete the tenant's rows, and to be read once, as
	// measured with 2,000,000 rows of which the tenant had 200,000: 630 ms.
	deletesASecond = 450_000
	scansASecond   = 9_000_000
)

// NotPartitionableError says why a table cannot be partitioned while it is in use.
type NotPartitionableError struct {
	Table   catalog.QName
	Reasons []string
}

func (e *NotPartitionableError) Error() string {
	return "table " + e.Table.String() + " cannot be partitioned: " + strings.Join(e.Reasons, "; ")
}

func (o Partition) check() error {
	switch {
	case (o.Tenant == "") == (o.Hash == 0):
		return errors.New("partition by a tenant or by hash: name one of them")
	case o.Hash != 0 && (o.Hash < 2 || o.Hash > mostHash):
		return fmt.Errorf("hash:%d: from 2 to %d partitions", o.Hash, mostHash)
	case o.LockBudget < 0:
		return errors.New("the lock budget cannot be negative")
	}
	return nil
}

// goal is what is kept of a plan that has begun.
type goal struct {
	Tenant string `json:"tenant,omitempty"`
	Hash   int    `json:"hash,omitempty"`
	Steps  []Step `json:"steps"`
}

// LookPartition reads the database and plans to partition a table by tenant, without
// keeping its readers and writers waiting: run the plan by [Apply], take it back by [Undo]
// with [ApplyOptions].Table.
//
// A plan that has begun is gone on with: it is kept with the journal, because the catalog
// alone does not say how far the rows have come. Errors: [*NotPartitionableError].
func LookPartition(ctx context.Context, conn *pgx.Conn, m tenancy.Options, c Config, o Partition) (*Plan, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	if m.Operators == nil {
		r := c.withDefaults().Roles
		m.Operators = []string{r.Owner, r.Operator, r.Definer}
	}
	v, err := tenancy.Read(ctx, conn, m)
	if err != nil {
		return nil, err
	}
	p := newPlanner(v, c.withDefaults())
	p.actual = v
	begun, err := readGoal(ctx, conn, o.Table)
	if err != nil {
		return nil, err
	}
	if begun != nil {
		return p.resume(ctx, conn, begun, o)
	}
	w, err := p.partitioner(ctx, conn, o)
	if err != nil {
		return nil, err
	}
	w.plan()
	p.finish()
	text, err := json.Marshal(goal{o.Tenant, o.Hash, p.plan.Steps})
	p.plan.goal = map[string]string{goalName(o.Table): string(text)}
	p.plan.Connect = ""
	return p.plan, err
}

func goalName(table catalog.QName) string { return string(GroupPartition) + "/" + key(table) }

// readGoal returns the plan that has begun on a table, nil for none.
func readGoal(ctx context.Context, conn *pgx.Conn, table catalog.QName) (*goal, error) {
	there, err := journalExists(ctx, conn)
	if err != nil || !there {
		return nil, err
	}
	var text string
	err = conn.QueryRow(ctx, "SELECT value FROM moat.state WHERE name = $1", goalName(table)).Scan(&text)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the plan that has begun: %w", err)
	}
	g := new(goal)
	if err := json.Unmarshal([]byte(text), g); err != nil {
		return nil, fmt.Errorf("read the plan that has begun: %w", err)
	}
	return g, nil
}

// resume plans those steps of a plan that the journal does not hold as done.
func (p *planner) resume(ctx context.Context, conn *pgx.Conn, g *goal, o Partition) (*Plan, error) {
	if g.Tenant != o.Tenant || g.Hash != o.Hash {
		return nil, fmt.Errorf("another partitioning of %s has begun: go on with it by the same flags, or undo it",
			key(o.Table))
	}
	rows, err := conn.Query(ctx, "SELECT id FROM moat.steps WHERE state = 'done'")
	if err != nil {
		return nil, fmt.Errorf("read the journal: %w", err)
	}
	done, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, err
	}
	for _, s := range g.Steps {
		if !slices.Contains(done, s.ID) {
			p.add(s)
		}
	}
	p.finish()
	p.plan.Connect = ""
	return p.plan, nil
}

// partitioner plans for one table.
type partitioner struct {
	*planner
	rel  *catalog.Relation
	t    *table
	o    Partition
	know known
}

func (p *planner) partitioner(ctx context.Context, conn *pgx.Conn, o Partition) (*partitioner, error) {
	w := &partitioner{planner: p, rel: p.Relation(o.Table), t: p.byName[o.Table], o: o}
	if w.o.LockBudget == 0 {
		w.o.LockBudget = defaultBudget
	}
	if w.rel == nil {
		return nil, &tenancy.NoSuchObjectError{Kind: "table", Name: key(o.Table)}
	}
	if reasons := w.unfit(); len(reasons) > 0 {
		return nil, &NotPartitionableError{o.Table, reasons}
	}
	var err error
	if w.know, err = readKnown(ctx, conn, w); err != nil {
		return nil, err
	}
	if reasons := w.unknown(); len(reasons) > 0 {
		return nil, &NotPartitionableError{o.Table, reasons}
	}
	return w, nil
}

// unfit says what in the table's own definition forbids partitioning it.
func (w *partitioner) unfit() (why []string) {
	no := func(bad bool, format string, args ...any) {
		if bad {
			why = append(why, fmt.Sprintf(format, args...))
		}
	}
	r := w.rel
	no(w.t == nil || w.t.class != catalog.TenantTable, "it is not a table of tenants")
	if len(why) > 0 {
		return why
	}
	no(w.Citus(), "on Citus tables are distributed instead")
	no(!w.enforced(w.t), "protect it first: moat protect --apply --until guards")
	no(r.Kind != catalog.Table, "it is a %s already", r.Kind)
	no(len(r.ParentNames) > 0 || len(w.Children(r)) > 0, "it inherits, or others inherit from it")
	no(r.Unlogged, "it is unlogged")
	no(len(r.Rules) > 0, "it has rules")
	no(r.Replica != "" && r.Replica != "default", "its replica identity is not the default")
	no(len(r.PrimaryKey()) == 0, "it has no primary key, by which rows are copied")
	for _, x := range r.Indexes {
		no(x.Unique && !slices.Contains(x.Columns(), w.t.column), "%s is unique without %s", x.Name, w.t.column)
		no(!x.Valid, "index %s is not valid", x.Name)
	}
	for _, k := range r.Constraints {
		no(k.Type == catalog.Exclude, "constraint %s excludes rows, which partitions cannot before PostgreSQL 17", k.Name)
		no(k.Type == catalog.ForeignKey && k.References == r.QName(), "key %s leads to the table itself", k.Name)
		no(!k.Validated, "constraint %s is not validated", k.Name)
	}
	for _, g := range r.Triggers {
		no(rowTransition(g), "trigger %s reads a transition table for each row", g.Name)
	}
	for _, k := range w.References(r.QName()) {
		no(k.From.Kind == catalog.PartitionedTable && w.major() < 18,
			"key %s of the partitioned table %s could only be added with a scan under its lock", k.Key.Name, key(k.From.QName()))
	}
	return why
}

func rowTransition(g catalog.Trigger) bool {
	var row, reads bool
	tokens := sqltext.Code(g.Definition)
	for i, t := range tokens {
		row = row || t.Is("row") && i > 0 && tokens[i-1].Is("each")
		reads = reads || t.Is("referencing")
	}
	return row && reads
}

// unknown says what the catalog's Snapshot does not hold and forbids partitioning.
func (w *partitioner) unknown() (why []string) {
	if len(w.know.dependents) > 0 {
		why = append(why, "these refer to the table itself and would go on using the old one; drop them before and create "+
			"them again after: "+strings.Join(w.know.dependents, ", "))
	}
	if w.o.Tenant != "" && !w.know.exists {
		why = append(why, "there is no tenant "+w.o.Tenant)
	}
	return why
}

// copies reports whether all rows are copied: way A. Otherwise the table itself becomes a
// partition, and only the tenant's rows are copied: way B, which holds its lock longer.
func (w *partitioner) copies() bool { return w.o.Hash > 0 || w.held() > w.o.LockBudget || !w.moves() }

// held is how long way B would keep readers and writers out.
func (w *partitioner) held() time.Duration {
	seconds := float64(w.know.hot)/deletesASecond + max(float64(w.rel.Estimate.Rows), 0)/scansASecond
	return time.Duration(seconds * float64(time.Second))
}

func (w *partitioner) plan() {
	w.note(key(w.rel.QName()), w.why())
	if w.copies() {
		w.copyAll()
		return
	}
	w.wrap()
	w.moveHot()
}

func (w *partitioner) why() string {
	if w.o.Hash > 0 {
		return "all rows are copied, and the tables are swapped by their names"
	}
	if !w.moves() {
		return "all rows are copied, and the tables are swapped by their names: only a superuser moves rows past triggers " +
			"and keys, and past no trigger that is enabled always"
	}
	text := fmt.Sprintf("to move the tenant's %d rows out of a DEFAULT partition would keep readers and writers out for "+
		"about %s; the lock budget is %s: ", w.know.hot, w.held().Round(time.Millisecond), w.o.LockBudget)
	if w.copies() {
		return text + "all rows are copied instead, and the tables are swapped by their names"
	}
	return text + "only the tenant's rows are copied"
}

// step gives a step what all of this group have.
func (w *partitioner) step(what string, s Step) {
	s.ID, s.Group, s.Table = w.id(what), GroupPartition, w.rel.QName()
	w.add(s)
}

func (w *partitioner) id(what string) string { return stepID(GroupPartition, w.rel.QName(), what) }

// isolating writes the wall of the partitioned table, in the form by which partitions are
// pruned; a policy that is more than the plain comparison stays as it is written.
func (w *partitioner) isolating(e *catalog.Expr) string {
	switch {
	case e == nil:
		return ""
	case w.Plain(e, w.rel):
		return w.IsolatingCurrent(w.t.column, w.t.typ, policy.Direct)
	}
	return e.Text
}
