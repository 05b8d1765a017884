-- One row is an index of a table or materialized view.
SELECT i.indrelid AS relation, ic.relname::pg_catalog.text AS name, am.amname::pg_catalog.text AS method,
       i.indisunique AS unique, i.indisprimary AS primary, i.indisvalid AND i.indisready AS valid,
       EXISTS (SELECT 1 FROM pg_catalog.pg_constraint k
                WHERE k.conindid = i.indexrelid AND k.conrelid = i.indrelid
                  AND k.contype IN ('p', 'u', 'x')) AS constraint,
       ic.relispartition AS inherited,
       i.indnullsnotdistinct AS nulls_not_distinct, -- 15+
       false AS nulls_not_distinct, -- <15
       CASE WHEN i.indpred IS NULL THEN '' ELSE pg_catalog.pg_get_expr(i.indpred, i.indrelid) END AS predicate,
       pg_catalog.pg_get_indexdef(i.indexrelid) AS definition,
       i.indnkeyatts AS key_number, i.indkey::pg_catalog.int2[] AS column_nums,
       i.indclass::pg_catalog.oid[] AS classes, i.indoption::pg_catalog.int2[] AS option_bits,
       CASE WHEN 0 = ANY (i.indkey) THEN ARRAY(
           SELECT CASE i.indkey[k - 1] WHEN 0 THEN pg_catalog.pg_get_indexdef(i.indexrelid, k, false) ELSE '' END
             FROM pg_catalog.generate_series(1, i.indnkeyatts) AS k ORDER BY k)
       ELSE '{}' END AS expressions,
       i.indexprs IS NULL OR i.indexprs::pg_catalog.text !~ '\{(COERCEVIAIO|ARRAYCOERCEEXPR|SQLVALUEFUNCTION)'
         AND NOT EXISTS (
           SELECT 1 FROM pg_catalog.regexp_matches(i.indexprs::pg_catalog.text, ':(?:funcid|opfuncid) (\d+)', 'g') AS m
             LEFT JOIN pg_catalog.pg_proc p ON p.oid = m[1]::pg_catalog.oid
            WHERE p.proleakproof IS NOT TRUE) AS expressions_leakproof,
       ic.relpages::pg_catalog.int8 AS pages
  FROM pg_catalog.pg_index i
  JOIN pg_catalog.pg_class ic ON ic.oid = i.indexrelid
  JOIN pg_catalog.pg_am am ON am.oid = ic.relam
  JOIN pg_catalog.pg_class r ON r.oid = i.indrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace
 WHERE n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
   AND r.relpersistence <> 't' AND r.relkind IN ('r', 'p', 'm')
 ORDER BY n.nspname, r.relname, ic.relname;
