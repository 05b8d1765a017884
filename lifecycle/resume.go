package lifecycle

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"

	"github.com/moat-db/moat/internal/filelock"
)

// An export that was interrupted goes on where it stopped, although its snapshot is gone:
// what is in the file is kept as far as the new snapshot shows those rows unchanged, so
// that the whole is again as of one moment. FILE.part holds the tables that are done, and
// FILE.part.json says how many, and since which transaction.

// resumption is the file of an export that can be gone on with. All its methods do
// nothing on nil.
type resumption struct {
	file  *os.File
	lock  *os.File // keeps a second export out of the file
	notes string   // where the checkpoint stands
	checkpoint
}

// checkpoint is what an interrupted export leaves beside its file.
type checkpoint struct {
	Manifest Manifest `json:"manifest"`
	Origin   string   `json:"origin"` // the cluster, its timeline and the database
	// Horizon is the oldest transaction that the snapshot did not see finished.
	Horizon int64 `json:"horizon"`
	// Counts are the tenant's rows in the tables that make rows of others the tenant's.
	Counts map[string]int64 `json:"counts"`
	// Ends are where in the file each table that is done ends.
	Ends []int64 `json:"ends"`
}

// ExportFile writes all rows of a tenant, as they were at one moment, to the file called
// name, which comes to be when it is whole. An archive that was interrupted, by a kill or a
// lost connection, leaves name.part: the same call again goes on after its last whole
// table, unless the tenant's rows in it have changed since. What is masked, json and csv
// start again. A second export to the same file is refused while one is under way.
func (o *Operator) ExportFile(ctx context.Context, tenant, name string, opts ExportOptions) (m *Manifest, err error) {
	id, err := o.known(ctx, tenant)
	if err := cmp.Or(opts.check(), err); err != nil {
		return nil, err
	}
	r, err := openPart(name)
	if err != nil {
		return nil, fmt.Errorf("write the export: %w", err)
	}
	defer func() { err = errors.Join(err, r.close(name, err == nil)) }()
	if err := o.log(ctx, exported, id, opts.describe()); err != nil {
		return nil, err
	}
	return o.export(ctx, id, r.file, opts, r)
}

func openPart(name string) (*resumption, error) {
	lock, err := filelock.Try(name + ".part.lock")
	if errors.Is(err, filelock.ErrLocked) {
		return nil, fmt.Errorf("another export to %s is under way", name)
	}
	if err != nil {
		return nil, err
	}
	file, err := os.OpenFile(name+".part", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, errors.Join(err, os.Remove(lock.Name()), lock.Close())
	}
	r := &resumption{file: file, lock: lock, notes: name + ".part.json"}
	text, err := os.ReadFile(r.notes)
	if err == nil {
		err = json.Unmarshal(text, &r.checkpoint)
	}
	if err != nil { // none, or half of one: nothing is kept
		r.checkpoint = checkpoint{}
	}
	return r, nil
}

// close puts a whole file in its place. One that is not whole stays as long as it is worth
// going on with.
func (r *resumption) close(name string, whole bool) error {
	// The lock's file goes while it is held, so that nobody locks one that is to go. On
	// Windows it stays, and does no harm.
	defer func() { _, _ = os.Remove(r.lock.Name()), r.lock.Close() }()
	var err error
	if whole {
		err = r.file.Sync()
	}
	err = errors.Join(err, r.file.Close())
	switch {
	case whole && err == nil:
		return errors.Join(os.Rename(r.file.Name(), name), ignoreMissing(os.Remove(r.notes)))
	case len(r.Ends) == 0:
		return errors.Join(err, os.Remove(r.file.Name()), ignoreMissing(os.Remove(r.notes)))
	}
	return err
}

func ignoreMissing(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// begin keeps the tables that are done and unchanged, and cuts off what comes after.
func (r *resumption) begin(ctx context.Context, x *export) error {
	if r == nil {
		return nil
	}
	now := checkpoint{Manifest: x.manifest}
	if err := errors.Join(x.origin(ctx, &now), x.countVia(ctx, &now)); err != nil {
		return err
	}
	for r.fits(x, &now) && len(now.Ends) < len(r.Ends) {
		i := len(now.Ends)
		same, err := x.unchanged(ctx, i, &r.checkpoint)
		if err != nil {
			return err
		}
		if !same {
			break
		}
		x.manifest.Tables[i] = r.Manifest.Tables[i]
		now.Ends = append(now.Ends, r.Ends[i])
	}
	r.checkpoint = now
	if len(now.Ends) > 0 && x.opts.Kept != nil {
		x.opts.Kept(len(now.Ends))
	}
	return r.cutOff()
}

// origin notes where and as of when the snapshot was taken. Transactions count on from
// there only in the same cluster on the same timeline.
func (x *export) origin(ctx context.Context, c *checkpoint) error {
	var may bool
	if err := x.conn.QueryRow(ctx, `SELECT pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE')
		AND pg_catalog.has_function_privilege('pg_catalog.pg_control_checkpoint()', 'EXECUTE')`).Scan(&may); err != nil {
		return err
	}
	if !may {
		return nil // a server that does not say which it is: an interrupted export starts again
	}
	return x.conn.QueryRow(ctx, `SELECT pg_catalog.concat_ws('/', s.system_identifier, k.timeline_id,
			(SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())),
		pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot())::text::bigint
		FROM pg_catalog.pg_control_system() s, pg_catalog.pg_control_checkpoint() k`).Scan(&c.Origin, &c.Horizon)
}

// fits reports whether the file was begun for the same rows and columns.
func (r *resumption) fits(x *export, now *checkpoint) bool {
	was := &r.Manifest
	if r.Origin == "" || r.Origin != now.Origin || now.Horizon-r.Horizon >= 1<<31 || now.Horizon < r.Horizon {
		return false
	}
	size, err := r.file.Seek(0, io.SeekEnd)
	if err != nil || len(r.Ends) == 0 || r.Ends[len(r.Ends)-1] > size || len(r.Ends) > len(was.Tables) {
		return false
	}
	sameTable := func(a, b Table) bool {
		return a.label() == b.label() && a.How == b.How && slices.Equal(a.Columns, b.Columns)
	}
	return cmp.Or(x.opts.Format, "archive") == "archive" && was.Version == FormatVersion &&
		was.Tenant == x.tenant && was.Schema == x.manifest.Schema &&
		len(x.opts.Mask) == 0 && len(was.Masked) == 0 && reflect.DeepEqual(was.LeftOut, x.manifest.LeftOut) &&
		slices.EqualFunc(was.Tables, x.manifest.Tables, sameTable)
}

// countVia notes how many rows the tables have that say whose other rows are.
func (x *export) countVia(ctx context.Context, c *checkpoint) error {
	c.Counts = map[string]int64{}
	for _, p := range x.parts {
		for _, name := range p.via {
			by := find(x.view, x.parts, name)
			if by == nil || by.foreign {
				continue
			}
			var n int64
			err := x.conn.QueryRow(ctx, "SELECT pg_catalog.count(*) FROM "+by.from()+" WHERE "+by.where()).Scan(&n)
			if err != nil {
				return fmt.Errorf("count the rows of %s: %w", name, err)
			}
			c.Counts[name.String()] = n
		}
	}
	return nil
}

// unchanged reports whether a table still has the rows that were written, and so have the
// tables that make these rows the tenant's.
func (x *export) unchanged(ctx context.Context, i int, was *checkpoint) (bool, error) {
	t := was.Manifest.Tables[i]
	p := find(x.view, x.parts, t.name())
	for _, name := range p.via {
		n, counted := was.Counts[name.String()]
		if !counted {
			return false, nil
		}
		if same, err := x.asThen(ctx, find(x.view, x.parts, name), n, was.Horizon); !same || err != nil {
			return false, err
		}
	}
	return x.asThen(ctx, p, t.Rows, was.Horizon)
}

// asThen reports whether a table has as many rows of the tenant as then, and none by a
// later transaction. A transaction that has been open for long sets the horizon far back,
// and more is read again: subtransactions do not stand in a snapshot, so that nothing finer
// is certain.
func (x *export) asThen(ctx context.Context, p *part, rows, horizon int64) (same bool, err error) {
	if p.foreign {
		return false, nil
	}
	// Transaction numbers go round at 2³², and below 3 they are of no transaction.
	const xid = "x.xmin::text::bigint"
	later := fmt.Sprintf("%s OPERATOR(pg_catalog.>=) 3 AND ((%[1]s OPERATOR(pg_catalog.-) %[2]d) "+
		"OPERATOR(pg_catalog.&) 4294967295) OPERATOR(pg_catalog.<) 2147483648", xid, horizon)
	err = x.conn.QueryRow(ctx, fmt.Sprintf("SELECT pg_catalog.count(*)%s%d AND "+
		"pg_catalog.count(*) FILTER (WHERE %s)%[1]s0 FROM %[4]s WHERE %[5]s", equals, rows, later, p.from(),
		p.where())).Scan(&same)
	if err != nil {
		return false, fmt.Errorf("compare %s with what was written: %w", p.name(), err)
	}
	return same, nil
}

func (r *resumption) cutOff() error {
	end := int64(0)
	if n := len(r.Ends); n > 0 {
		end = r.Ends[n-1]
	}
	if err := r.file.Truncate(end); err != nil {
		return err
	}
	_, err := r.file.Seek(end, io.SeekStart)
	return err
}

// tables is how many tables stand in the file already.
func (r *resumption) tables() int {
	if r == nil {
		return 0
	}
	return len(r.Ends)
}

// done notes that one more table is in the file, once it is on the disk.
func (r *resumption) done(x *export, a *archive) error {
	if r == nil || r.Origin == "" {
		return nil
	}
	if err := errors.Join(a.cut(r.file), r.file.Sync()); err != nil {
		return err
	}
	end, err := r.file.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	r.Manifest, r.Ends = x.manifest, append(r.Ends, end)
	text, err := json.Marshal(&r.checkpoint)
	if err != nil {
		return err
	}
	next := r.notes + ".new"
	return errors.Join(os.WriteFile(next, text, 0o600), os.Rename(next, r.notes))
}
