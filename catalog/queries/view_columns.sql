-- One row is a view or a materialized view with the tree of its query, in which each
-- column says where it comes from.
SELECT r.ev_class AS relation, r.ev_action::pg_catalog.text AS tree
  FROM pg_catalog.pg_rewrite r
  JOIN pg_catalog.pg_class c ON c.oid = r.ev_class
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE r.rulename = '_RETURN' AND c.relkind IN ('v', 'm')
   AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
 ORDER BY r.ev_class;
