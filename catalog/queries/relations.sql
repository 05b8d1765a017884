-- One row is a table, partitioned table, view, materialized view, foreign table
-- or sequence of a user's schema.
SELECT c.oid, n.nspname::pg_catalog.text AS schema, c.relname::pg_catalog.text AS name,
       CASE c.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'partitioned table' WHEN 'v' THEN 'view'
            WHEN 'm' THEN 'materialized view' WHEN 'f' THEN 'foreign table' ELSE 'sequence' END AS kind,
       pg_catalog.pg_get_userbyid(c.relowner)::pg_catalog.text AS owner,
       coalesce(d.description, '') AS comment,
       coalesce(e.extname::pg_catalog.text, '') AS extension,
       coalesce(c.relacl, pg_catalog.acldefault(
           CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::pg_catalog."char", c.relowner))::pg_catalog.text[] AS acl,
       c.relrowsecurity AS rls, c.relforcerowsecurity AS force_rls,
       c.relpersistence = 'u' AS unlogged, c.relispartition AS partition,
       CASE WHEN c.relkind NOT IN ('r', 'p', 'm') THEN '' WHEN c.relreplident = 'n' THEN 'nothing'
            WHEN c.relreplident = 'f' THEN 'full' WHEN c.relreplident = 'i' THEN 'index' ELSE '' END AS replica,
       c.reltuples::pg_catalog.float8 AS rows, c.relpages::pg_catalog.int8 AS pages,
       coalesce(c.reloptions, '{}') AS options,
       CASE WHEN c.relispartition THEN pg_catalog.pg_get_expr(c.relpartbound, c.oid) ELSE '' END AS bound,
       CASE p.partstrat WHEN 'l' THEN 'list' WHEN 'r' THEN 'range' WHEN 'h' THEN 'hash' ELSE '' END AS strategy,
       coalesce(p.partattrs::pg_catalog.int2[], '{}') AS part_columns,
       CASE WHEN p.partrelid IS NOT NULL THEN pg_catalog.pg_get_partkeydef(c.oid) ELSE '' END AS part_text,
       CASE WHEN c.relkind IN ('v', 'm') THEN pg_catalog.pg_get_viewdef(c.oid) ELSE '' END AS definition,
       CASE WHEN c.relkind IN ('v', 'f') THEN pg_catalog.pg_relation_is_updatable(c.oid, false)
            WHEN c.relkind IN ('r', 'p') THEN 28 ELSE 0 END AS updatable_bits,
       CASE WHEN c.relkind = 'v' THEN pg_catalog.pg_relation_is_updatable(c.oid, true) ELSE 0 END AS triggered_bits,
       coalesce(s.srvname::pg_catalog.text, '') AS server,
       c.relkind IN ('r', 'p', 'f', 'm') AND NOT pg_catalog.has_table_privilege(c.oid, 'SELECT')
           AND NOT pg_catalog.has_any_column_privilege(c.oid, 'SELECT') AS hidden
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_catalog.pg_partitioned_table p ON p.partrelid = c.oid
  LEFT JOIN pg_catalog.pg_foreign_table f ON f.ftrelid = c.oid
  LEFT JOIN pg_catalog.pg_foreign_server s ON s.oid = f.ftserver
  LEFT JOIN pg_catalog.pg_depend x ON x.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
        AND x.objid = c.oid AND x.objsubid = 0 AND x.deptype = 'e'
  LEFT JOIN pg_catalog.pg_extension e ON e.oid = x.refobjid
  LEFT JOIN pg_catalog.pg_description d ON d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass
        AND d.objoid = c.oid AND d.objsubid = 0
 WHERE n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
   AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND c.relpersistence <> 't'
 ORDER BY n.nspname, c.relname;
