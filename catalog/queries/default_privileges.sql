-- One row is an entry of ALTER DEFAULT PRIVILEGES: its whole access list.
SELECT pg_catalog.pg_get_userbyid(d.defaclrole)::pg_catalog.text AS role,
       coalesce(n.nspname::pg_catalog.text, '') AS schema,
       CASE d.defaclobjtype WHEN 'r' THEN 'tables' WHEN 'S' THEN 'sequences' WHEN 'f' THEN 'functions'
            WHEN 'T' THEN 'types' WHEN 'n' THEN 'schemas' WHEN 'L' THEN 'large objects'
            ELSE d.defaclobjtype::pg_catalog.text END AS object,
       d.defaclacl::pg_catalog.text[] AS acl
  FROM pg_catalog.pg_default_acl d
  LEFT JOIN pg_catalog.pg_namespace n ON n.oid = d.defaclnamespace
 ORDER BY 1, 2, 3;
