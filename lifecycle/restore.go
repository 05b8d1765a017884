package lifecycle

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/policy"
)

// RestoreOptions say how a tenant is brought back.
type RestoreOptions struct {
	// Apply writes; without it the difference is computed and nothing is changed.
	Apply bool
	// Include are tables, as schema.table, that are left as they are unless they are named:
	// those that say who is a member, or whom rows are shared with.
	Include []string
	// WithoutTriggers switches the team's triggers off on the tables that are written. It
	// needs their owner's rights, and keeps writers of all tenants out until the end.
	WithoutTriggers bool
	// RevokeCertificate brings back a tenant whose erasure was certified.
	RevokeCertificate bool
	// Settle is how long to wait, after the tenant was suspended, for its last statements
	// to end; 0 means 2 s.
	Settle time.Duration
	// Progress, if set, is told of each table that is loaded.
	Progress func(table string, rows int64)
}

// Difference is what a restore would change, or has changed.
type Difference struct {
	Tenant  string    `json:"tenant"`
	TakenAt time.Time `json:"taken_at"`
	Tables  []Changes `json:"tables"`
	// Left are tables of the export that are not written, with the reason.
	Left []string `json:"left,omitempty"`
	// Mapped says how a schema that has changed since was bridged.
	Mapped []string `json:"mapped,omitempty"`
	// Objects is how many large objects are written.
	Objects int `json:"large_objects,omitempty"`
	// Applied is true when the changes were made.
	Applied bool `json:"applied"`
}

// Changes are those of one table.
type Changes struct {
	Table  string `json:"table"`
	Add    int64  `json:"add"`
	Change int64  `json:"change"`
	Remove int64  `json:"remove"`
	// Kept rows are not in the export, and stay because others refer to them.
	Kept int64 `json:"kept,omitempty"`
	// Altered rows are not as the export has them, because a trigger changed them.
	Altered int64 `json:"altered,omitempty"`
}

// Any reports whether anything changes.
func (c *Changes) Any() bool { return c.Add+c.Change+c.Remove > 0 }

// RefusedError says why an export cannot be restored into this database. Nothing was done.
type RefusedError struct{ Reasons []string }

func (e *RefusedError) Error() string {
	return "the export does not fit this database:\n  " + strings.Join(e.Reasons, "\n  ")
}

// ErrCertified is returned for a tenant whose erasure was certified.
var ErrCertified = errors.New("this tenant was erased, and a certificate says so: bringing it back must revoke that")

// Restore makes the rows of a tenant those of an export, in one transaction: rows are
// added, changed and removed; rows of other tenants are never touched. The export is read
// twice. Without Apply it only says what would change.
//
// While it works the tenant is suspended. Rows that are not in the export and that others
// refer to are kept.
func (o *Operator) Restore(ctx context.Context, tenant string, file io.ReadSeeker, opts RestoreOptions) (
	*Difference, error,
) {
	m, err := ReadExport(file)
	if err != nil {
		return nil, err
	}
	if err := m.Whole(); err != nil {
		return nil, err
	}
	id, _, err := o.lookUp(ctx, tenant)
	if err != nil {
		return nil, err
	}
	if m.Tenant != id {
		return nil, fmt.Errorf("the export is of tenant %s, not of %s", m.Tenant, id)
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	action := map[bool]string{true: "restored the tenant", false: "compared the tenant with an export"}[opts.Apply]
	if err := o.log(ctx, action, id, "of "+m.TakenAt.Format(time.RFC3339)); err != nil {
		return nil, err
	}
	x := &restore{Operator: o, tenant: id, opts: opts, manifest: m, difference: &Difference{Tenant: id,
		TakenAt: m.TakenAt}}
	return x.run(ctx, file)
}

// restore is one restore under way.
type restore struct {
	*Operator
	tenant     string
	opts       RestoreOptions
	manifest   *Manifest
	tables     []*loaded
	unnamed    []string // tables that are left as they are, because they are not named
	parts      []*part
	difference *Difference
	tx         pgx.Tx
	written    []uint32 // large objects
}

// loaded is a table of the export, in a temporary table.
type loaded struct {
	*part
	number  int      // in the manifest
	temp    string   // the temporary table
	columns []string // in the export and in the table
	fill    []string // tenant columns that the export has not
	skip    string   // a column that is loaded and not written
	lacks   []string // columns that are new, and that a row added now would have no value for
	key     []string // nil where the table has none
	changes Changes
}

func (x *restore) run(ctx context.Context, file io.Reader) (_ *Difference, err error) {
	if x.parts, err = parts(x.view, x.tenant); err != nil {
		return nil, err
	}
	if err := x.match(); err != nil {
		return nil, err
	}
	if x.opts.Apply {
		if err := cmp.Or(x.maySwitch(), x.mayRefresh(x.parts), x.reachObjects(ctx)); err != nil {
			return nil, err
		}
		done, err := x.quiet(ctx)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, done()) }()
	}
	if x.tx, err = x.conn.Begin(ctx); err != nil {
		return nil, fmt.Errorf("begin the restore: %w", err)
	}
	defer x.tx.Rollback(context.WithoutCancel(ctx)) //nolint:errcheck // after the commit it does nothing
	steps := []func(context.Context) error{x.planForMany, x.prepareTables,
		func(ctx context.Context) error { return x.load(ctx, file) }, x.checkTenant, x.checkObjects, x.compare}
	if x.opts.Apply {
		steps = append(steps, x.rememberOwned, func(ctx context.Context) error { return toUnnamed(x.apply(ctx), x.unnamed) })
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	x.difference.Tables = append(x.difference.Tables, list.Map(x.tables, func(l *loaded) Changes { return l.changes })...)
	if !x.opts.Apply {
		return x.difference, nil
	}
	if err := x.tx.Commit(ctx); err != nil {
		return nil, fmt.Errorf("commit the restore: %w", err)
	}
	x.difference.Applied = true
	return x.difference, x.refresh(ctx, x.parts)
}

// planForMany keeps the planner from comparing each row with each. Of rows that this transaction
// has written, or that a tenant has come back with, it knows nothing and expects one.
func (x *restore) planForMany(ctx context.Context) error {
	_, err := x.tx.Exec(ctx, "SET LOCAL enable_nestloop = off")
	return err
}

// quiet suspends the tenant and lets its last statements end. done resumes it, if it was
// active.
func (x *restore) quiet(ctx context.Context) (done func() error, err error) {
	unlock, err := x.alone(ctx, x.tenant)
	if err != nil {
		return nil, err
	}
	mine, err := x.takeOver(ctx)
	if err != nil {
		unlock()
		return nil, err
	}
	return func() error {
		defer unlock()
		if !mine {
			return nil
		}
		return x.letGo(context.WithoutCancel(ctx))
	}, ctx.Err()
}

// takeOver suspends an active tenant and waits for its last statements. mine is true for a
// tenant that this restore, or one that was killed, has suspended.
func (x *restore) takeOver(ctx context.Context) (mine bool, err error) {
	if err := x.certified(ctx); err != nil {
		return false, err
	}
	state, err := x.state(ctx, x.tenant)
	if err != nil {
		return false, err
	}
	if state != Active {
		err = x.conn.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM moat.restoring WHERE tenant = $1)", x.tenant).Scan(&mine)
		return mine, err
	}
	// The note comes first: killed in between, the next restore finds an active tenant.
	if _, err := x.conn.Exec(ctx, "INSERT INTO moat.restoring (tenant) VALUES ($1) ON CONFLICT DO NOTHING",
		x.tenant); err != nil {
		return false, fmt.Errorf("note the restore: %w", err)
	}
	if err := x.suspend(ctx, x.tenant); err != nil {
		return true, errors.Join(err, x.letGo(ctx))
	}
	settle := x.opts.Settle
	if settle == 0 {
		settle = 2 * time.Second
	}
	select {
	case <-ctx.Done():
	case <-time.After(settle):
	}
	return true, nil
}

func (x *restore) letGo(ctx context.Context) error {
	err := x.resume(ctx, x.tenant)
	if err == nil {
		_, err = x.conn.Exec(ctx, "DELETE FROM moat.restoring WHERE tenant = $1", x.tenant)
	}
	return err
}

// certified refuses a tenant whose erasure stands.
func (x *restore) certified(ctx context.Context) error {
	var n int
	err := x.conn.QueryRow(ctx, "SELECT count(*) FROM moat.certificate WHERE tenant = $1 AND revoked_at IS NULL",
		x.tenant).Scan(&n)
	if err == nil && n > 0 && !x.opts.RevokeCertificate {
		err = ErrCertified
	}
	return err
}

// match finds, for each table of the export, the table of today.
func (x *restore) match() error {
	var reasons []string
	for i := range x.manifest.Tables {
		t := &x.manifest.Tables[i]
		name := catalog.QName{Schema: t.Schema, Name: t.Name}
		p := find(x.view, x.parts, name)
		switch {
		case grants(x.view, name) != "" && !slices.Contains(x.opts.Include, name.String()):
			x.difference.Left = append(x.difference.Left, name.String()+": "+grants(x.view, name)+"; --include "+name.String())
			x.unnamed = append(x.unnamed, name.String())
			continue
		case p == nil || p.name() != name:
			if t.Rows > 0 {
				reasons = append(reasons, fmt.Sprintf("%s: %d rows, and no table of tenants has this name today", name, t.Rows))
			}
			continue
		case p.foreign:
			x.difference.Left = append(x.difference.Left, name.String()+": is on another server")
			continue
		}
		l, why := x.bridge(p, t, i+1)
		reasons = append(reasons, why...)
		x.tables = append(x.tables, l)
	}
	for _, p := range x.parts {
		there := func(l *loaded) bool { return l.part == p }
		if !slices.ContainsFunc(x.tables, there) && grants(x.view, p.name()) == "" && !p.foreign {
			x.difference.Left = append(x.difference.Left, p.name().String()+": was not there when the export was taken; "+
				"its rows stay")
		}
	}
	if len(reasons) > 0 {
		return &RefusedError{reasons}
	}
	if !x.opts.Apply {
		return nil
	}
	written := list.Map(x.tables, func(l *loaded) *part { return l.part })
	return x.require(written, "SELECT", "INSERT", "UPDATE", "DELETE")
}

// grants says what a table's rows give to others, "" for nothing. They are written only
// when the table is named: last night's access may have been taken away this morning.
func grants(v *policy.View, name catalog.QName) string {
	s := &v.Model.Shapes
	switch {
	case s.LinkOf(name) != nil || s.Caller != nil && s.Caller.Table == name:
		return "says who is a member"
	case s.ShareLinkOf(name) != nil:
		return "says whom rows are shared with"
	}
	return ""
}

// toUnnamed explains rows that refer to a table which would be written if it were named.
func toUnnamed(err error, tables []string) error {
	const foreignKeyViolation = "23503"
	if sqlState(err) != foreignKeyViolation || len(tables) == 0 {
		return err
	}
	return fmt.Errorf("%w\nthese tables are written only when they are named: --include %s", err,
		strings.Join(tables, ","))
}

// bridge compares the columns of then and now. What was added since takes its default;
// what is gone cannot be restored.
func (x *restore) bridge(p *part, t *Table, number int) (l *loaded, reasons []string) {
	l = &loaded{part: p, number: number, temp: fmt.Sprintf("moat_restore_%d", number), key: identity(p.table),
		changes: Changes{Table: p.name().String()}}
	for _, c := range t.Columns {
		if p.name() == x.view.Model.Tenants && x.by.Gate != nil && c.Name == x.by.Gate.Column() {
			l.skip = c.Name // whether a tenant is suspended is not a thing of last night
		}
		now := p.table.Column(c.Name)
		switch {
		case now == nil:
			reasons = append(reasons, fmt.Sprintf("%s: the column %s (%s) is gone", p.name(), c.Name, c.Type))
		case now.Generated != "":
			reasons = append(reasons, fmt.Sprintf("%s: the column %s is generated today, and its values of then cannot be "+
				"written",
				p.name(), c.Name))
		default:
			if now.Type != c.Type {
				x.difference.Mapped = append(x.difference.Mapped, fmt.Sprintf("%s.%s: was %s, is %s", p.name(), c.Name, c.Type,
					now.Type))
			}
			l.columns = append(l.columns, c.Name)
		}
	}
	for _, name := range writable(p.table) {
		if slices.Contains(t.names(), name) {
			continue
		}
		if name == x.view.TenantColumn(p.table) {
			l.fill = append(l.fill, name)
			continue
		}
		if c := p.table.Column(name); c.NotNull && c.Default == "" && c.Identity == "" && !fillsIn(p.table) {
			l.lacks = append(l.lacks, name)
			continue
		}
		x.difference.Mapped = append(x.difference.Mapped, p.name().String()+"."+name+": is new, and takes its default")
	}
	for _, name := range l.key {
		if !slices.Contains(l.columns, name) && !slices.Contains(l.fill, name) {
			reasons = append(reasons, fmt.Sprintf("%s: the key column %s is not in the export", p.name(), name))
		}
	}
	return l, reasons
}

// fillsIn reports whether a trigger may give a row that is added what it lacks.
func fillsIn(r *catalog.Relation) bool {
	return slices.ContainsFunc(r.Triggers, func(t catalog.Trigger) bool {
		return strings.Contains(t.Definition, " BEFORE ") && runsOn(t, "INSERT")
	})
}

// identity is a key by which rows of then and now are the same: the primary key, or a
// unique one that is never NULL; nil where there is none.
func identity(r *catalog.Relation) []string {
	if key := r.PrimaryKey(); len(key) > 0 {
		return key
	}
	for x := range catalog.Each(r.Indexes) {
		null := slices.ContainsFunc(x.Columns(), func(name string) bool { return name == "" || !r.Column(name).NotNull })
		if x.Unique && x.Valid && x.Predicate == "" && !null {
			return x.Columns()
		}
	}
	return nil
}
