-- One row is a membership: member may use role.
SELECT r.rolname::pg_catalog.text AS role, m.rolname::pg_catalog.text AS member,
       coalesce(g.rolname::pg_catalog.text, '') AS grantor, a.admin_option AS admin,
       a.inherit_option AS inherit, a.set_option AS set -- 16+
       m.rolinherit AS inherit, true AS set -- <16
  FROM pg_catalog.pg_auth_members a
  JOIN pg_catalog.pg_roles r ON r.oid = a.roleid
  JOIN pg_catalog.pg_roles m ON m.oid = a.member
  LEFT JOIN pg_catalog.pg_roles g ON g.oid = a.grantor
 ORDER BY 1, 2, 3;
