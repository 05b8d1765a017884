package lifecycle

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/policy"
)

// holders are the columns of a part that may name large objects.
func holders(v *policy.View, r *catalog.Relation) []string {
	var names []string
	for i := range r.Columns {
		if c := &r.Columns[i]; v.BaseType(c.Type) == "oid" {
			names = append(names, c.Name)
		}
	}
	return names
}

// objectsOf selects the large objects that a tenant's rows name; "" where no column does.
func objectsOf(v *policy.View, all []*part) string {
	var selects []string
	for _, p := range all {
		for _, name := range holders(v, p.table) {
			selects = append(selects, "SELECT x."+sqltext.Ident(name)+"::oid AS o FROM "+p.from()+" WHERE "+p.where())
		}
	}
	if len(selects) == 0 {
		return ""
	}
	return "SELECT m.oid FROM pg_catalog.pg_largeobject_metadata m WHERE m.oid IN (" + strings.Join(selects, " UNION ") +
		") ORDER BY 1"
}

// objects writes the large objects that the tenant's rows name.
func (x *export) objects(ctx context.Context, a *archive) error {
	for _, oid := range x.oids {
		c := a.chunks("%s/%d", objectDir, oid)
		owner, err := x.readObject(ctx, oid, c)
		if err != nil {
			return err
		}
		sum, err := c.end()
		if err != nil {
			return err
		}
		x.manifest.LargeObjects = append(x.manifest.LargeObjects, LargeObject{oid, owner, c.size, sum})
	}
	return nil
}

func (o *Operator) objectIDs(ctx context.Context, all []*part) ([]uint32, error) {
	sql := objectsOf(o.view, all)
	if sql == "" {
		return nil, nil
	}
	rows, err := o.conn.Query(ctx, sql)
	if err != nil {
		return nil, fmt.Errorf("list large objects: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowTo[uint32])
}

// readObject writes the bytes of a large object to w.
func (x *export) readObject(ctx context.Context, oid uint32, w io.Writer) (owner string, err error) {
	if owner, err = x.objectOwner(ctx, oid); err != nil {
		return "", fmt.Errorf("look for the owner of large object %d: %w", oid, err)
	}
	const step = 512 << 10
	for at := int64(0); ; at += step {
		var data []byte
		if err := x.conn.QueryRow(ctx, "SELECT lo_get($1, $2, $3)", oid, at, step).Scan(&data); err != nil {
			return "", fmt.Errorf("read large object %d: %w", oid, err)
		}
		if _, err := w.Write(data); err != nil {
			return "", err
		}
		if len(data) < step {
			return owner, nil
		}
	}
}

// sharedObjects are those of the oids that rows of other tenants name as well.
func (o *Operator) sharedObjects(ctx context.Context, all []*part, oids []uint32) ([]uint32, error) {
	if len(oids) == 0 {
		return nil, nil
	}
	var selects []string
	for r := range catalog.Each(o.view.Snapshot.Relations) {
		if !r.IsTable() || r.Partition {
			continue
		}
		p := find(o.view, all, r.QName())
		for _, name := range holders(o.view, r) {
			where, from := "true", r.QName().SQL()+" x"
			if p != nil {
				where, from = "("+p.where()+") IS NOT TRUE", p.from()
			}
			selects = append(selects, "SELECT x."+sqltext.Ident(name)+"::oid FROM "+from+" WHERE "+where+
				" AND x."+sqltext.Ident(name)+" = ANY ($1)")
		}
	}
	rows, err := o.conn.Query(ctx, strings.Join(selects, " UNION "), oids)
	if err != nil {
		return nil, fmt.Errorf("look for other owners of large objects: %w", err)
	}
	shared, err := pgx.CollectRows(rows, pgx.RowTo[uint32])
	slices.Sort(shared)
	return shared, err
}
