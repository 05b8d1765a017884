package lifecycle

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/internal/sqltext"
)

// Large objects know no row-level security, and so no role that bypasses it: whoever is to
// read one is its owner, a member of it, or was granted it.

// ObjectRightsError says that the operator may not work on large objects of a tenant.
// Nothing was done.
type ObjectRightsError struct {
	Role, Database string
	Owners         []string // of the objects
}

func (e *ObjectRightsError) Error() string {
	role := sqltext.Role(e.Role)
	return fmt.Sprintf("the role %s may not work on the tenant's large objects, which belong to %s; either, as a "+
		"superuser, ALTER ROLE %s IN DATABASE %s SET lo_compat_privileges = on, or, where they belong to the "+
		"application's role, GRANT it TO %[3]s", e.Role, quotedList(e.Owners), role, sqltext.Ident(e.Database))
}

// mayReach checks the rights on large objects before the first is touched: to read them, or
// those of an owner.
func (o *Operator) mayReach(ctx context.Context, oids []uint32, reading bool) error {
	rows, err := o.conn.Query(ctx, `SELECT DISTINCT pg_catalog.pg_get_userbyid(m.lomowner)::text
		FROM pg_catalog.pg_largeobject_metadata m
		WHERE m.oid = ANY ($1) AND NOT pg_catalog.current_setting('lo_compat_privileges')::boolean
			AND NOT pg_catalog.pg_has_role(m.lomowner, 'USAGE')
			AND NOT ($2 AND EXISTS (SELECT 1 FROM pg_catalog.aclexplode(m.lomacl) a WHERE a.privilege_type = 'SELECT'
				AND (a.grantee = 0 OR pg_catalog.pg_has_role(a.grantee, 'USAGE'))))
		ORDER BY 1`, oids, reading)
	if err != nil {
		return fmt.Errorf("look for the owners of large objects: %w", err)
	}
	owners, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err == nil && len(owners) > 0 {
		err = &ObjectRightsError{o.conn.Config().User, o.view.Snapshot.Database.Name, owners}
	}
	return err
}

// objectOwner is the role that a large object belongs to.
func (o *Operator) objectOwner(ctx context.Context, oid uint32) (owner string, err error) {
	err = o.conn.QueryRow(ctx, "SELECT pg_catalog.pg_get_userbyid(lomowner)::text FROM "+
		"pg_catalog.pg_largeobject_metadata WHERE oid = $1", oid).Scan(&owner)
	return owner, err
}

// giveObject gives a new large object to the role that the old one belonged to, or, where
// the operator may not, lets that role read and write it. A name in a file gives nothing to
// anybody but the application's roles and the owners of the tenant's tables.
func (o *Operator) giveObject(ctx context.Context, tx pgx.Tx, all []*part, oid uint32, owner string) error {
	known := slices.Contains(o.view.Model.Roles, owner) ||
		slices.ContainsFunc(all, func(p *part) bool { return p.table.Owner == owner })
	if !known || owner == o.conn.Config().User || o.view.Role(owner) == nil {
		return nil
	}
	object := fmt.Sprintf("LARGE OBJECT %d", oid)
	err := pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "ALTER "+object+" OWNER TO "+sqltext.Role(owner))
		return err
	})
	if sqlState(err) == "42501" {
		_, err = tx.Exec(ctx, "GRANT SELECT, UPDATE ON "+object+" TO "+sqltext.Role(owner))
	}
	if err != nil {
		return fmt.Errorf("give large object %d to %s: %w", oid, owner, err)
	}
	return nil
}
