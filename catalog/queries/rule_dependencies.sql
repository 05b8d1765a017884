-- One row says that a view's query or a rule reads a relation; with a column
-- number, that it reads that column.
SELECT r.ev_class AS source, r.rulename::pg_catalog.text AS rule, d.refobjid AS target,
       d.refobjsubid::pg_catalog.int2 AS column_num
  FROM pg_catalog.pg_depend d
  JOIN pg_catalog.pg_rewrite r ON r.oid = d.objid
  JOIN pg_catalog.pg_class c ON c.oid = r.ev_class
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
   AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
   AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' AND c.relpersistence <> 't'
   AND (d.refobjid <> r.ev_class OR (r.rulename <> '_RETURN' AND d.deptype = 'n'))
 ORDER BY n.nspname, c.relname, r.rulename, d.refobjid, d.refobjsubid;
