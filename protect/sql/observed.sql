-- One row for each table that is observed, with what the server has counted of it.
SELECT n.nspname::text AS schema, c.relname::text AS name, coalesce(s.seq_scan, 0) AS times,
       greatest(coalesce(s.seq_tup_read, 0) - coalesce(s.seq_scan, 0), 0) AS with_tenant
  FROM (SELECT p.polrelid, min(d.refobjid) AS counter
          FROM pg_catalog.pg_policy p
          JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_policy'::regclass AND d.objid = p.oid
               AND d.refclassid = 'pg_catalog.pg_class'::regclass
          JOIN pg_catalog.pg_class v ON v.oid = d.refobjid AND v.relkind = 'm'
               AND v.relnamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'moat')
         WHERE pg_catalog.starts_with(p.polname::text, $1)
         GROUP BY p.polrelid) o
  JOIN pg_catalog.pg_class c ON c.oid = o.polrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_catalog.pg_stat_all_tables s ON s.relid = o.counter
 ORDER BY 1, 2
