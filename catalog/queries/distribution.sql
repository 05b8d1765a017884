-- One row is a table that Citus knows: distributed over its servers, copied to each, or
-- kept where it was. Columns are read by name, so that none that a release lacks ends the
-- read. Where the extension's tables are missing, no row says so.
SELECT n.nspname::pg_catalog.text AS schema, c.relname::pg_catalog.text AS name, c.oid AS relation,
       coalesce(p.j ->> 'partmethod', '') AS method, coalesce(p.j ->> 'repmodel', '') AS replication,
       coalesce(p.j ->> 'partkey', '') AS key, coalesce((p.j ->> 'colocationid')::pg_catalog.int8, 0) AS colocation
  FROM (SELECT p.logicalrelid::pg_catalog.oid AS oid, pg_catalog.to_jsonb(p) AS j
          FROM pg_catalog.pg_dist_partition p) AS p
  JOIN pg_catalog.pg_class c ON c.oid = p.oid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 ORDER BY n.nspname, c.relname;
