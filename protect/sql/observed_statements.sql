-- One row for each statement that was noted on a table for one reason.
SELECT n.nspname::text AS schema, c.relname::text AS name, o.command, o.reason, o.tenant, o.role::text AS role,
       o.application, coalesce(o.statement, '') AS statement, sum(o.times)::bigint AS times,
       min(o.noted_at) AS first, max(o.noted_at) AS last
  FROM moat.notes o
  JOIN pg_catalog.pg_class c ON c.oid = o.relation
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
 ORDER BY 9 DESC, 1, 2, 3, 4, 5, 6, 7, 8
