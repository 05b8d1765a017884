-- One row is a column with a most common value: how frequent that value is.
-- pg_stats shows only the columns that the looking role may read.
SELECT s.schemaname::pg_catalog.text AS schema, s.tablename::pg_catalog.text AS name,
       s.attname::pg_catalog.text AS column_name,
       pg_catalog.max(s.most_common_freqs[1])::pg_catalog.float8 AS frequency
  FROM pg_catalog.pg_stats s
 WHERE s.schemaname <> 'information_schema' AND s.schemaname !~ '^pg_'
   AND s.most_common_freqs IS NOT NULL
 GROUP BY 1, 2, 3
 ORDER BY 1, 2, 3;
