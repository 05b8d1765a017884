-- One row says that an SQL-standard function body reads a relation, or a column.
SELECT p.oid AS source, d.refobjid AS target, d.refobjsubid::pg_catalog.int2 AS column_num
  FROM pg_catalog.pg_depend d
  JOIN pg_catalog.pg_proc p ON p.oid = d.objid
  JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
 WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass
   AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
   AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
 ORDER BY n.nspname, p.proname, p.oid, d.refobjid, d.refobjsubid;
