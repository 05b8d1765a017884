-- One row is a parent of a table: its partitioned table, or one it inherits from.
SELECT i.inhrelid AS child, i.inhparent AS parent
  FROM pg_catalog.pg_inherits i
  JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' AND c.relkind IN ('r', 'p', 'f')
 ORDER BY n.nspname, c.relname, i.inhseqno;
