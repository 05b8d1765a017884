-- One row is a role that may use one of the tables ($1) and to which row-level
-- security applies, but that may not call moat.current_tenant(): its statements would
-- fail. The tables' owners are left out: forced row-level security already shows
-- them nothing.
SELECT DISTINCT r.rolname::text
  FROM pg_catalog.pg_roles r
  JOIN pg_catalog.pg_class c ON c.oid = ANY ($1::oid[])
 WHERE NOT r.rolsuper AND NOT r.rolbypassrls AND r.oid >= 16384
   AND NOT pg_catalog.pg_has_role(r.oid, c.relowner, 'USAGE')
   AND pg_catalog.has_any_column_privilege(r.oid, c.oid, 'SELECT, INSERT, UPDATE')
   AND NOT (pg_catalog.has_function_privilege(r.oid, 'moat.current_tenant()', 'EXECUTE') AND pg_catalog.has_schema_privilege(r.oid, 'moat', 'USAGE'))
 ORDER BY 1
