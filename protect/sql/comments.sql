-- One row a statement that comments on a constraint, index, trigger or policy of table $1,
-- or on a key that refers to it; all of them are made again under their names.
SELECT 'COMMENT ON ' || CASE d.classoid
         WHEN 'pg_catalog.pg_constraint'::regclass THEN 'CONSTRAINT ' || quote_ident(k.conname) || ' ON ' || k.conrelid::regclass
         WHEN 'pg_catalog.pg_class'::regclass THEN 'INDEX ' || i.indexrelid::regclass
         WHEN 'pg_catalog.pg_trigger'::regclass THEN 'TRIGGER ' || quote_ident(g.tgname) || ' ON ' || g.tgrelid::regclass
         ELSE 'POLICY ' || quote_ident(p.polname) || ' ON ' || p.polrelid::regclass
       END || ' IS ' || quote_literal(d.description)
  FROM pg_catalog.pg_description d
  LEFT JOIN pg_catalog.pg_constraint k ON d.classoid = 'pg_catalog.pg_constraint'::regclass AND k.oid = d.objoid
    AND (k.conrelid = $1::regclass OR k.confrelid = $1::regclass)
  LEFT JOIN pg_catalog.pg_index i ON d.classoid = 'pg_catalog.pg_class'::regclass AND i.indexrelid = d.objoid
    AND i.indrelid = $1::regclass
  LEFT JOIN pg_catalog.pg_trigger g ON d.classoid = 'pg_catalog.pg_trigger'::regclass AND g.oid = d.objoid
    AND g.tgrelid = $1::regclass
  LEFT JOIN pg_catalog.pg_policy p ON d.classoid = 'pg_catalog.pg_policy'::regclass AND p.oid = d.objoid
    AND p.polrelid = $1::regclass
 WHERE coalesce(k.oid, i.indexrelid, g.oid, p.oid) IS NOT NULL AND d.objsubid = 0
 ORDER BY 1
