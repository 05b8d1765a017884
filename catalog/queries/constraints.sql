-- One row is a constraint of a table.
SELECT c.conrelid AS relation, c.conname::pg_catalog.text AS name,
       CASE c.contype WHEN 'p' THEN 'primary key' WHEN 'u' THEN 'unique' WHEN 'f' THEN 'foreign key'
            WHEN 'c' THEN 'check' WHEN 'x' THEN 'exclude' ELSE 'not null' END AS type,
       coalesce(c.conkey, '{}') AS column_nums,
       pg_catalog.pg_get_constraintdef(c.oid) AS definition,
       c.convalidated AS validated, c.condeferrable AS deferrable, c.condeferred AS deferred,
       c.conparentid <> 0 OR NOT c.conislocal AS inherited,
       coalesce(ix.relname::pg_catalog.text, '') AS index,
       c.confrelid AS referenced, coalesce(c.confkey, '{}') AS referenced_nums,
       CASE WHEN c.contype = 'f' THEN c.confdeltype::pg_catalog.text ELSE '' END AS delete_action,
       CASE WHEN c.contype = 'f' THEN c.confupdtype::pg_catalog.text ELSE '' END AS update_action,
       c.contype = 'f' AND c.confmatchtype = 'f' AS match_full,
       coalesce(c.confdelsetcols, '{}') AS set_nums, -- 15+
       '{}'::pg_catalog.int2[] AS set_nums, -- <15
       NOT c.conenforced AS not_enforced, -- 18+
       false AS not_enforced, -- <18
       coalesce(c.conexclop, '{}') AS operator_oids
  FROM pg_catalog.pg_constraint c
  JOIN pg_catalog.pg_class r ON r.oid = c.conrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace
  LEFT JOIN pg_catalog.pg_class ix ON ix.oid = c.conindid AND c.contype IN ('p', 'u', 'x')
 WHERE n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
   AND r.relpersistence <> 't' AND c.contype IN ('p', 'u', 'f', 'c', 'x', 'n')
 ORDER BY n.nspname, r.relname, c.conname;
