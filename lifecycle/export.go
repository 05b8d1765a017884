package lifecycle

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/policy"
)

// exported is an export in the operator log.
const exported = "exported the tenant"

// ExportOptions say what leaves the database, and how.
type ExportOptions struct {
	// Format is "archive", which restores, or "json" or "csv", a zip for people; "" means
	// archive.
	Format string
	// LeaveOut and Mask are columns as schema.table.column. A masked value is NULL, or,
	// for a text, a hash by a salt that is thrown away where Mask says "hash".
	LeaveOut []string
	Mask     map[string]string
	// Progress, if set, is told of each table when it begins and when it is done.
	Progress func(table string, rows int64, done bool)
	// Kept, if set, is told how many tables of an interrupted export still stand.
	Kept func(tables int)
}

// describe is for the operator log.
func (o ExportOptions) describe() string {
	text := "as " + cmp.Or(o.Format, "archive")
	if len(o.Mask) > 0 {
		text += ", masked: " + strings.Join(slices.Sorted(maps.Keys(o.Mask)), ", ")
	}
	if len(o.LeaveOut) > 0 {
		text += ", left out: " + strings.Join(o.LeaveOut, ", ")
	}
	return text
}

// check refuses what cannot be written, before it stands in the log as done.
func (o ExportOptions) check() error {
	if !slices.Contains([]string{"", "archive", "json", "csv"}, o.Format) {
		return fmt.Errorf("unknown format %q: archive, json or csv", o.Format)
	}
	return nil
}

// Export writes all rows of a tenant to w, as they were at one moment. Memory does not
// grow with the rows. [Operator.ExportFile] goes on after an interruption; this does not.
func (o *Operator) Export(ctx context.Context, tenant string, w io.Writer, opts ExportOptions) (*Manifest, error) {
	id, err := o.known(ctx, tenant)
	if err := cmp.Or(opts.check(), err); err != nil {
		return nil, err
	}
	if err := o.log(ctx, exported, id, opts.describe()); err != nil {
		return nil, err
	}
	return o.export(ctx, id, w, opts, nil)
}

// ReadBackup exports a tenant from a database that was restored from a backup. It is not
// logged: it writes nothing there, and what is done with the rows is logged where it is.
func ReadBackup(ctx context.Context, conn *pgx.Conn, view *policy.View, tenant string, w io.Writer) (*Manifest, error) {
	o, err := NewOperator(ctx, conn, view, Options{Reason: "reads a backup"})
	if err != nil {
		return nil, err
	}
	id, err := o.known(ctx, tenant)
	if err != nil {
		return nil, err
	}
	return o.export(ctx, id, w, ExportOptions{}, nil)
}

// export writes what is left to write: into a file of tables that are done, if r is set.
func (o *Operator) export(ctx context.Context, tenant string, w io.Writer, opts ExportOptions, r *resumption) (
	*Manifest, error,
) {
	tx, err := o.conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return nil, fmt.Errorf("take the snapshot: %w", err)
	}
	defer tx.Rollback(context.WithoutCancel(ctx)) //nolint:errcheck // it only read
	x := &export{Operator: o, opts: opts, tenant: tenant, resumed: r}
	if err := x.prepare(ctx); err != nil {
		return nil, err
	}
	if err := x.mayReach(ctx, x.oids, true); err != nil {
		return nil, err
	}
	if err := r.begin(ctx, x); err != nil {
		return nil, err
	}
	write := x.archive
	if opts.Format == "json" || opts.Format == "csv" {
		write = x.zip
	}
	if err := write(ctx, w); err != nil {
		return nil, err
	}
	return &x.manifest, nil
}

// export is one export under way.
type export struct {
	*Operator
	opts     ExportOptions
	tenant   string
	parts    []*part
	oids     []uint32 // of the large objects that they name
	manifest Manifest
	salt     string
	resumed  *resumption // nil where w is not a file that can be gone on with
}

func (x *export) prepare(ctx context.Context) (err error) {
	if x.parts, err = parts(x.view, x.tenant); err != nil {
		return err
	}
	if err := x.require(x.parts, "SELECT"); err != nil {
		return err
	}
	if x.oids, err = x.objectIDs(ctx, x.parts); err != nil {
		return err
	}
	s := x.view.Snapshot
	x.manifest = Manifest{Format: formatName, Version: FormatVersion, Tenant: x.tenant, TakenAt: time.Now().UTC(),
		Database: s.Database.Name, Server: s.Version, Schema: catalog.Fingerprint(s)}
	for name := range x.opts.Mask {
		x.manifest.Masked = append(x.manifest.Masked, name)
	}
	x.manifest.LeftOut = slices.Clone(x.opts.LeaveOut)
	slices.Sort(x.manifest.Masked)
	if err := x.checkColumns(); err != nil {
		return err
	}
	for _, g := range ordered(x.view, x.parts) {
		for _, p := range g.parts {
			x.manifest.Tables = append(x.manifest.Tables, x.table(p.table, p.how))
		}
	}
	for _, t := range x.view.Model.Tables {
		if t.Class == catalog.IgnoredTable {
			x.manifest.NotLookedAt = append(x.manifest.NotLookedAt, t.Table.String())
		}
	}
	// A standby has no position of its own; where it may not be asked, none is written.
	wal := "CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END::text"
	return x.conn.QueryRow(ctx, "SELECT coalesce("+wal+", ''), gen_random_uuid()::text").Scan(&x.manifest.WAL, &x.salt)
}

// checkColumns refuses to mask or leave out what is not there: a misspelt name would let
// the values through.
func (x *export) checkColumns() error {
	for _, name := range append(slices.Clone(x.manifest.Masked), x.manifest.LeftOut...) {
		known := slices.ContainsFunc(x.parts, func(p *part) bool {
			column, ok := strings.CutPrefix(name, p.name().String()+".")
			return ok && p.table.Column(column) != nil
		})
		if !known {
			return fmt.Errorf("no column %s in a table of tenants: write it as schema.table.column", name)
		}
	}
	for name, how := range x.opts.Mask {
		if how != "null" && how != "hash" {
			return fmt.Errorf("mask %s: %q is neither null nor hash", name, how)
		}
	}
	return nil
}

func (x *export) table(r *catalog.Relation, how string) Table {
	t := Table{Schema: r.Schema, Name: r.Name, How: how}
	for _, name := range writable(r) {
		if !slices.Contains(x.opts.LeaveOut, t.label()+"."+name) {
			t.Columns = append(t.Columns, Column{name, r.Column(name).Type})
		}
	}
	return t
}

// selected are the columns of a table as they are read: as they are, or masked.
func (x *export) selected(t *Table) string {
	out := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		value := "x." + sqltext.Ident(c.Name)
		switch x.opts.Mask[t.label()+"."+c.Name] {
		case "null":
			value = "NULL::" + c.Type
		case "hash":
			value = "encode(sha256(convert_to(" + sqltext.Literal(x.salt) + " || " + value + "::text, 'UTF8')), 'hex')"
		}
		out[i] = value + " AS " + sqltext.Ident(c.Name)
	}
	return strings.Join(out, ", ")
}

// rowsOf is the query of a table's rows.
func (x *export) rowsOf(t *Table) string {
	p := find(x.view, x.parts, catalog.QName{Schema: t.Schema, Name: t.Name})
	return "SELECT " + x.selected(t) + " FROM " + p.from() + " WHERE " + p.where()
}

func (x *export) progress(t *Table, done bool) {
	if x.opts.Progress != nil {
		x.opts.Progress(t.label(), t.Rows, done)
	}
}

// archive writes the format that restores.
func (x *export) archive(ctx context.Context, w io.Writer) error {
	a, err := newArchive(w, x.manifest.TakenAt)
	if err != nil {
		return err
	}
	kept := x.resumed.tables()
	if kept == 0 {
		if err := a.json(headerEntry, &x.manifest); err != nil {
			return err
		}
	}
	for i := kept; i < len(x.manifest.Tables); i++ {
		t := &x.manifest.Tables[i]
		if err := x.copyOut(ctx, a.chunks("%s/%04d", tableDir, i+1), t, x.rowsOf(t)); err != nil {
			return err
		}
		if err := x.resumed.done(x, a); err != nil {
			return err
		}
	}
	for i, query := range x.references() {
		t := &x.manifest.References[i]
		if err := x.copyOut(ctx, a.chunks("%s/%04d", referenceDir, i+1), t, query); err != nil {
			return err
		}
	}
	if err := x.objects(ctx, a); err != nil {
		return err
	}
	if err := a.json(manifestEntry, &x.manifest); err != nil {
		return err
	}
	return a.close()
}

func (x *export) copyOut(ctx context.Context, c *chunks, t *Table, query string) error {
	x.progress(t, false)
	tag, err := x.conn.PgConn().CopyTo(ctx, c, "COPY ("+query+") TO STDOUT")
	if err != nil {
		return fmt.Errorf("read %s: %w", t.label(), err)
	}
	t.Rows, t.Bytes = tag.RowsAffected(), c.size
	t.SHA256, err = c.end()
	x.progress(t, true)
	return err
}

// references lists the tables that are not the tenant's, to which its rows refer, and
// returns the query for each.
func (x *export) references() []string {
	var queries []string
	wanted := map[catalog.QName][]string{}
	var order []catalog.QName
	for _, p := range x.parts {
		for k := range catalog.Each(p.table.Constraints) {
			if k.Type != catalog.ForeignKey || find(x.view, x.parts, k.References) != nil {
				continue
			}
			to := root(x.view, k.References)
			if wanted[to] == nil {
				order = append(order, to)
			}
			wanted[to] = append(wanted[to], "EXISTS (SELECT 1 FROM "+p.from()+" WHERE "+joined("x", k.Columns, "r",
				k.RefColumns)+" AND "+p.where()+")")
		}
	}
	for _, name := range order {
		r := x.view.Relation(name)
		if r == nil || !x.view.HasTablePrivilege(x.conn.Config().User, r, "SELECT") {
			x.manifest.NotLookedAt = append(x.manifest.NotLookedAt, name.String())
			continue
		}
		t := x.table(r, "referred to")
		if m := x.view.Model.Shapes.MembersOf(name); m != nil {
			// Of people who belong to others as well, what members of one tenant may read.
			t.Columns = slices.DeleteFunc(t.Columns, func(c Column) bool {
				return c.Name != m.Key && !slices.Contains(m.Columns, c.Name)
			})
		}
		x.manifest.References = append(x.manifest.References, t)
		queries = append(queries, "SELECT "+columns("r", t.names())+" FROM "+name.SQL()+" r WHERE "+
			strings.Join(wanted[name], " OR "))
	}
	return queries
}
