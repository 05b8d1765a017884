-- One row an object that refers to table $1 by its identity and is not brought along: it
-- would go on using the table that had the name.
WITH t AS (SELECT c.oid, c.reltype, y.typarray FROM pg_catalog.pg_class c
             JOIN pg_catalog.pg_type y ON y.oid = c.reltype WHERE c.oid = $1::regclass)
SELECT DISTINCT pg_catalog.pg_describe_object(d.classid, d.objid, 0)
  FROM t
  JOIN pg_catalog.pg_depend d
    ON d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = t.oid
    OR d.refclassid = 'pg_catalog.pg_type'::regclass AND d.refobjid IN (t.reltype, t.typarray)
  LEFT JOIN pg_catalog.pg_class c ON d.classid = 'pg_catalog.pg_class'::regclass AND c.oid = d.objid
  LEFT JOIN pg_catalog.pg_constraint k ON d.classid = 'pg_catalog.pg_constraint'::regclass AND k.oid = d.objid
  LEFT JOIN pg_catalog.pg_attrdef a ON d.classid = 'pg_catalog.pg_attrdef'::regclass AND a.oid = d.objid
  LEFT JOIN pg_catalog.pg_trigger g ON d.classid = 'pg_catalog.pg_trigger'::regclass AND g.oid = d.objid
  LEFT JOIN pg_catalog.pg_policy p ON d.classid = 'pg_catalog.pg_policy'::regclass AND p.oid = d.objid
  LEFT JOIN pg_catalog.pg_statistic_ext s ON d.classid = 'pg_catalog.pg_statistic_ext'::regclass AND s.oid = d.objid
  LEFT JOIN pg_catalog.pg_rewrite r ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND r.oid = d.objid
  LEFT JOIN pg_catalog.pg_class v ON v.oid = r.ev_class
 WHERE NOT (d.classid = 'pg_catalog.pg_type'::regclass AND d.objid IN (t.reltype, t.typarray))
   AND c.oid IS DISTINCT FROM t.oid
   AND c.relkind IS DISTINCT FROM 'i' AND c.relkind IS DISTINCT FROM 't'
   -- its own, and the sequences of its columns; keys of others are added again
   AND NOT (c.relkind = 'S' AND d.deptype IN ('a', 'i') AND c.relkind IS NOT NULL)
   AND k.conrelid IS DISTINCT FROM t.oid
   AND NOT (k.contype IS NOT DISTINCT FROM 'f' AND k.confrelid IS NOT DISTINCT FROM t.oid)
   AND a.adrelid IS DISTINCT FROM t.oid AND g.tgrelid IS DISTINCT FROM t.oid AND NOT coalesce(g.tgisinternal, false)
   AND p.polrelid IS DISTINCT FROM t.oid AND s.stxrelid IS DISTINCT FROM t.oid
   AND v.relkind IS DISTINCT FROM 'v'
 ORDER BY 1
