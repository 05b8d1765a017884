-- One row is a trigger that a person made, or its clone on a partition.
SELECT t.tgrelid AS relation, t.tgname::pg_catalog.text AS name, t.tgfoid AS function_oid,
       pg_catalog.pg_get_triggerdef(t.oid) AS definition,
       CASE t.tgenabled WHEN 'O' THEN 'origin' WHEN 'A' THEN 'always' WHEN 'R' THEN 'replica' ELSE 'disabled' END AS enabled,
       t.tgconstraint <> 0 AS constraint, t.tgdeferrable AS deferrable, t.tgparentid <> 0 AS inherited
  FROM pg_catalog.pg_trigger t
  JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' AND c.relpersistence <> 't'
   AND (NOT t.tgisinternal OR (t.tgparentid <> 0 AND t.tgconstraint = 0))
 ORDER BY n.nspname, c.relname, t.tgname;
