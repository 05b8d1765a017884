-- One row is a schema of the user, and whether the looking role may use it.
SELECT n.nspname::pg_catalog.text AS name,
       pg_catalog.pg_get_userbyid(n.nspowner)::pg_catalog.text AS owner,
       coalesce(n.nspacl, pg_catalog.acldefault('n', n.nspowner))::pg_catalog.text[] AS acl,
       coalesce(e.extname::pg_catalog.text, '') AS extension,
       coalesce(d.description, '') AS comment,
       pg_catalog.has_schema_privilege(n.oid, 'USAGE') AS usable
  FROM pg_catalog.pg_namespace n
  LEFT JOIN pg_catalog.pg_depend x ON x.classid = 'pg_catalog.pg_namespace'::pg_catalog.regclass
        AND x.objid = n.oid AND x.objsubid = 0 AND x.deptype = 'e'
  LEFT JOIN pg_catalog.pg_extension e ON e.oid = x.refobjid
  LEFT JOIN pg_catalog.pg_description d ON d.classoid = 'pg_catalog.pg_namespace'::pg_catalog.regclass
        AND d.objoid = n.oid AND d.objsubid = 0
 WHERE n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
 ORDER BY n.nspname;
