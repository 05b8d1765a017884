package moat

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// UnsafeRoleError says that the role of a connection could see or reach rows of
// other tenants whatever the policies say.
type UnsafeRoleError struct {
	Role    string
	Reasons []string // each completes "role x …", like "is a superuser"
}

func (e *UnsafeRoleError) Error() string {
	return fmt.Sprintf("role %s is not safe for tenants: it %s", e.Role, strings.Join(e.Reasons, ", and "))
}

// roleQuery has one row per reason. session_user counts in addition to current_user, because
// RESET ROLE leads back to it. Membership of any kind counts: SET ROLE, or the right
// to grant itself that, is one statement away.
const roleQuery = `
with me as (
	select r.oid, r.rolname from pg_catalog.pg_roles r
	where r.rolname in (current_user, session_user)
)
select distinct me.rolname::text, why.reason
from me cross join lateral (
	select case when r.oid = me.oid then 'is a superuser'
	            else 'is a member of ' || r.rolname || ', a superuser' end
	from pg_catalog.pg_roles r
	where r.rolsuper and pg_catalog.pg_has_role(me.oid, r.oid, 'MEMBER')
	  and (r.oid = me.oid or not (select s.rolsuper from pg_catalog.pg_roles s where s.oid = me.oid))
	union all
	select case when r.oid = me.oid then 'has BYPASSRLS'
	            else 'is a member of ' || r.rolname || ', which has BYPASSRLS' end
	from pg_catalog.pg_roles r
	where r.rolbypassrls and not r.rolsuper and pg_catalog.pg_has_role(me.oid, r.oid, 'MEMBER')
	union all
	select case when o.oid = me.oid then 'owns ' else 'is a member of ' || o.rolname || ', which owns ' end
	       || 'tables that are to be isolated, such as ' || min(c.oid::pg_catalog.regclass::text)
	from pg_catalog.pg_class c join pg_catalog.pg_roles o on o.oid = c.relowner
	where c.relkind in ('r', 'p') and c.relrowsecurity and pg_catalog.pg_has_role(me.oid, o.oid, 'MEMBER')
	group by o.oid, o.rolname
	union all
	select 'has REPLICATION, which reads every row from the log'
	from pg_catalog.pg_roles r where r.oid = me.oid and r.rolreplication and not r.rolsuper
	union all
	select 'has CREATEROLE, which before PostgreSQL 16 may join any role'
	from pg_catalog.pg_roles r where r.oid = me.oid and r.rolcreaterole and not r.rolsuper
	  and current_setting('server_version_num')::int < 160000
	union all
	select 'is a member of ' || r.rolname || ', which reaches the server''s files'
	from pg_catalog.pg_roles r
	where r.rolname in ('pg_read_server_files', 'pg_write_server_files', 'pg_execute_server_program')
	  and pg_catalog.pg_has_role(me.oid, r.oid, 'MEMBER')
	  and not (select s.rolsuper from pg_catalog.pg_roles s where s.oid = me.oid)
) as why(reason)
order by 1, 2`

// checkRole returns *UnsafeRoleError when row-level security does not bind the
// connection's role, or when the role could step out of it.
func checkRole(ctx context.Context, conn *pgx.Conn) error {
	rows, err := conn.Query(ctx, roleQuery)
	if err != nil {
		return fmt.Errorf("check role: %w", err)
	}
	type finding struct{ Role, Reason string }
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[finding])
	if err != nil {
		return fmt.Errorf("check role: %w", err)
	}
	if len(found) == 0 {
		return nil
	}
	unsafe := &UnsafeRoleError{Role: found[0].Role}
	for _, f := range found {
		if f.Role == unsafe.Role {
			unsafe.Reasons = append(unsafe.Reasons, f.Reason)
		}
	}
	return unsafe
}
