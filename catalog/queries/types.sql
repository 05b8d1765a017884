-- One row is a type that a user made: no array types, no row types of tables.
SELECT n.nspname::pg_catalog.text AS schema, t.typname::pg_catalog.text AS name,
       CASE t.typtype WHEN 'e' THEN 'enum' WHEN 'd' THEN 'domain' WHEN 'c' THEN 'composite'
            WHEN 'r' THEN 'range' WHEN 'm' THEN 'multirange' ELSE 'base' END AS kind,
       pg_catalog.pg_get_userbyid(t.typowner)::pg_catalog.text AS owner,
       coalesce(e.extname::pg_catalog.text, '') AS extension,
       CASE WHEN t.typtype = 'e' THEN ARRAY(
           SELECT l.enumlabel::pg_catalog.text FROM pg_catalog.pg_enum l
            WHERE l.enumtypid = t.oid ORDER BY l.enumsortorder) ELSE '{}' END AS labels,
       CASE WHEN t.typtype = 'd' THEN nullif(pg_catalog.format_type(t.typbasetype, t.typtypmod), '???') ELSE '' END AS base,
       ARRAY(SELECT a.attname::pg_catalog.text FROM pg_catalog.pg_attribute a
              WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND NOT a.attisdropped ORDER BY a.attnum) AS attribute_names,
       ARRAY(SELECT nullif(pg_catalog.format_type(a.atttypid, a.atttypmod), '???') FROM pg_catalog.pg_attribute a
              WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND NOT a.attisdropped ORDER BY a.attnum) AS attribute_types,
       t.typnotnull AS not_null,
       CASE WHEN t.typtype = 'd' THEN ARRAY(
           SELECT pg_catalog.pg_get_constraintdef(k.oid) FROM pg_catalog.pg_constraint k
            WHERE k.contypid = t.oid AND k.contype = 'c' ORDER BY k.conname) ELSE '{}' END AS checks,
       coalesce(t.typdefault, '') AS default_text,
       coalesce(t.typacl, pg_catalog.acldefault('T', t.typowner))::pg_catalog.text[] AS acl
  FROM pg_catalog.pg_type t
  JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
  LEFT JOIN pg_catalog.pg_class c ON c.oid = t.typrelid
  LEFT JOIN pg_catalog.pg_depend x ON x.classid = 'pg_catalog.pg_type'::pg_catalog.regclass
        AND x.objid = t.oid AND x.objsubid = 0 AND x.deptype = 'e'
  LEFT JOIN pg_catalog.pg_extension e ON e.oid = x.refobjid
 WHERE n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
   AND (t.typtype IN ('e', 'd', 'r', 'm') OR (t.typtype = 'c' AND c.relkind = 'c')
        OR (t.typtype = 'b' AND t.typcategory <> 'A'))
 ORDER BY n.nspname, t.typname;
