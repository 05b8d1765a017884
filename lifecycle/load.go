package lifecycle

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/moat-db/moat/internal/english"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/internal/sqltext"
)

// prepareTables makes a temporary table for each table of the export, with the types of
// today: PostgreSQL checks each value when it is loaded.
func (x *restore) prepareTables(ctx context.Context) error {
	for _, l := range x.tables {
		_, err := x.tx.Exec(ctx, "CREATE TEMPORARY TABLE "+l.temp+" ON COMMIT DROP AS SELECT "+columns("x",
			append(slices.Clone(l.columns), l.fill...))+" FROM "+l.from()+" WITH NO DATA")
		if err != nil {
			return fmt.Errorf("prepare to load %s: %w", l.name(), err)
		}
	}
	return nil
}

// rememberOwned notes which rows are the tenant's by a row that refers to them: that row may
// be removed before they are changed or removed themselves, and they would be nobody's.
func (x *restore) rememberOwned(ctx context.Context) error {
	for i, p := range x.parts {
		if p.owned == nil {
			continue
		}
		key, was, table := sqltext.Ident(p.owned.Key), p.is, fmt.Sprintf("pg_temp.moat_owned_%d", i)
		_, err := x.tx.Exec(ctx, "CREATE TEMPORARY TABLE "+table+" ON COMMIT DROP AS SELECT x."+key+" AS k FROM "+
			p.from()+" WHERE "+p.where())
		if err != nil {
			return fmt.Errorf("note the rows of %s: %w", p.name(), err)
		}
		by := p.owned.By
		others := notOf(find(x.view, x.parts, by.Relation))
		p.is = func(alias string) string {
			return "(" + was(alias) + " OR EXISTS (SELECT 1 FROM " + table + " w WHERE w.k" + equals + alias + "." + key +
				") AND NOT EXISTS (SELECT 1 FROM " + by.Relation.SQL() + " f WHERE " +
				joined("f", []string{by.Column}, alias, []string{p.owned.Key}) + others + "))"
		}
	}
	return nil
}

// load reads the export for the second time.
func (x *restore) load(ctx context.Context, file io.Reader) error {
	byNumber := map[int]*loaded{}
	for _, l := range x.tables {
		byNumber[l.number] = l
	}
	objects := map[uint32]bool{}
	_, _, err := walk(file, func(kind string, number int, data io.Reader) error {
		switch l := byNumber[number]; {
		case kind == tableDir && l != nil:
			return x.copyIn(ctx, l, data)
		case kind == objectDir && x.opts.Apply:
			objects[uint32(number)] = true
			return x.writeObject(ctx, x.listed(uint32(number)), data)
		}
		_, err := io.Copy(io.Discard, data)
		return err
	})
	if err != nil {
		return err
	}
	for _, o := range x.manifest.LargeObjects {
		if o.Bytes == 0 && x.opts.Apply && !objects[o.OID] { // an empty one has no entry
			if err := x.writeObject(ctx, o, strings.NewReader("")); err != nil {
				return err
			}
		}
	}
	for _, l := range x.tables {
		for _, name := range l.fill {
			typ := l.table.Column(name).Type
			if _, err := x.tx.Exec(ctx, "UPDATE "+temp(l)+" SET "+sqltext.Ident(name)+" = "+literal(x.view, x.tenant,
				typ)); err != nil {
				return fmt.Errorf("say whose the rows of %s are: %w", l.name(), err)
			}
		}
		l.columns = slices.DeleteFunc(append(l.columns, l.fill...), func(name string) bool { return name == l.skip })
		if _, err := x.tx.Exec(ctx, "ANALYZE "+temp(l)); err != nil {
			return fmt.Errorf("analyze the rows of %s: %w", l.name(), err)
		}
	}
	return nil
}

func temp(l *loaded) string { return "pg_temp." + l.temp }

func (x *restore) copyIn(ctx context.Context, l *loaded, data io.Reader) error {
	sql := "COPY " + temp(l) + " (" + sqltext.Idents(l.columns) + ") FROM STDIN"
	tag, err := x.tx.Conn().PgConn().CopyFrom(ctx, data, sql)
	if err != nil {
		return fmt.Errorf("load the rows of %s: %w", l.name(), err)
	}
	if x.opts.Progress != nil {
		x.opts.Progress(l.name().String(), tag.RowsAffected())
	}
	return nil
}

// checkTenant refuses rows of the export that say they are another tenant's.
func (x *restore) checkTenant(ctx context.Context) error {
	var reasons []string
	for _, l := range x.tables {
		column := x.view.TenantColumn(l.table)
		if l.owned != nil || column == "" || !slices.Contains(l.columns, column) {
			continue // by its parent: see verify
		}
		var n int64
		err := x.tx.QueryRow(ctx, "SELECT count(*) FROM "+temp(l)+" f WHERE (f."+sqltext.Ident(column)+equals+
			literal(x.view, x.tenant, l.table.Column(column).Type)+") IS NOT TRUE").Scan(&n)
		if err != nil {
			return fmt.Errorf("check the rows of %s: %w", l.name(), err)
		}
		if n > 0 {
			reasons = append(reasons, fmt.Sprintf("%s: %s of the export %s not the tenant's", l.name(), english.Count(n, "row"),
				english.Plural(n, "is", "are")))
		}
	}
	if len(reasons) > 0 {
		return &RefusedError{reasons}
	}
	return nil
}

// listed is what the manifest says of a large object.
func (x *restore) listed(oid uint32) LargeObject {
	for _, o := range x.manifest.LargeObjects {
		if o.OID == oid {
			return o
		}
	}
	return LargeObject{OID: oid}
}

// writeObject makes a large object what the export has, under its number where that is
// free or the tenant's own, else under a new one that the loaded rows are then given.
func (x *restore) writeObject(ctx context.Context, o LargeObject, data io.Reader) error {
	oid := o.OID
	target, err := x.objectTarget(ctx, o)
	if err != nil {
		return fmt.Errorf("restore large object %d: %w", oid, err)
	}
	buffer := make([]byte, 512<<10)
	for at := int64(0); ; {
		n, err := io.ReadFull(data, buffer)
		if n > 0 {
			if _, err := x.tx.Exec(ctx, "SELECT lo_put($1, $2, $3)", target, at, buffer[:n]); err != nil {
				return fmt.Errorf("restore large object %d: %w", oid, err)
			}
			at += int64(n)
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			break
		}
		if err != nil {
			return err
		}
	}
	x.difference.Objects++
	x.written = append(x.written, target)
	if target == oid {
		return nil
	}
	for _, l := range x.tables {
		for _, name := range holders(x.view, l.table) {
			c := sqltext.Ident(name)
			if _, err := x.tx.Exec(ctx, "UPDATE "+temp(l)+" SET "+c+" = $1 WHERE "+c+" = $2", target, oid); err != nil {
				return fmt.Errorf("renumber large object %d: %w", oid, err)
			}
		}
	}
	return nil
}

// objectTarget empties the tenant's own large object, which keeps its owner and grants, or
// makes a new one.
func (x *restore) objectTarget(ctx context.Context, o LargeObject) (target uint32, err error) {
	oid, there := o.OID, false
	err = x.tx.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_largeobject_metadata WHERE oid = $1)",
		oid).Scan(&there)
	if err != nil {
		return 0, err
	}
	if there {
		mine, err := x.ownObjects(ctx, x.parts)
		if err != nil {
			return 0, err
		}
		if slices.Contains(mine, oid) {
			const write = 0x20000
			_, err := x.tx.Exec(ctx, "SELECT lo_truncate(fd, 0), lo_close(fd) FROM lo_open($1, $2) fd", oid, write)
			return oid, err
		}
		oid = 0 // somebody else's: take a new number
	}
	if err = x.tx.QueryRow(ctx, "SELECT lo_create($1)", oid).Scan(&target); err != nil {
		return 0, err
	}
	return target, x.giveObject(ctx, x.tx, x.parts, target, o.Owner)
}

// reachObjects checks that the large objects that are written may be.
func (x *restore) reachObjects(ctx context.Context) error {
	mine, err := x.ownObjects(ctx, x.parts)
	if err != nil {
		return err
	}
	return x.mayReach(ctx, slices.DeleteFunc(mine, func(oid uint32) bool { return x.listed(oid).SHA256 == "" }), false)
}

// checkObjects refuses rows that name a large object which is not in the export and is not
// the tenant's already: it would be somebody else's.
func (x *restore) checkObjects(ctx context.Context) error {
	listed := []uint32{}
	listed = append(listed, list.Map(x.manifest.LargeObjects, func(o LargeObject) uint32 { return o.OID })...)
	mine, err := x.objectIDs(ctx, x.parts)
	if err != nil {
		return err
	}
	if x.opts.Apply {
		listed = x.written // under the numbers that the rows have now
	}
	for _, l := range x.tables {
		for _, name := range holders(x.view, l.table) {
			if err := x.knownObjects(ctx, l, name, append(slices.Clone(mine), listed...)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (x *restore) knownObjects(ctx context.Context, l *loaded, column string, known []uint32) error {
	c := "f." + sqltext.Ident(column)
	var n int64
	err := x.tx.QueryRow(ctx, "SELECT count(*) FROM "+temp(l)+" f JOIN pg_catalog.pg_largeobject_metadata m ON m.oid = "+c+
		" WHERE m.oid <> ALL ($1)", known).Scan(&n)
	if err != nil {
		return fmt.Errorf("check the large objects of %s: %w", l.name(), err)
	}
	if n > 0 {
		return &RefusedError{[]string{fmt.Sprintf("%s.%s: %s name a large object that is neither in the export nor the "+
			"tenant's",
			l.name(), column, english.Count(n, "row"))}}
	}
	return nil
}
