-- One row is an operator class that an index of a user's schema uses, and whether
-- all operators that can search by it are leakproof. Tree and hash indexes are
-- searched by operators of the class's own type; the others by any of the family. nearest
-- is the operator of a class that only orders, as those of vectors do.
SELECT o.oid, n.nspname::pg_catalog.text AS schema, o.opcname::pg_catalog.text AS name,
       coalesce(pg_catalog.bool_and(p.proleakproof), false) AS leakproof,
       CASE WHEN pg_catalog.count(a.oid) = 0 THEN coalesce((
         SELECT pg_catalog.min(pg_catalog.format('OPERATOR(%I.%s)', bn.nspname, b.oprname))
           FROM pg_catalog.pg_amop ba
           JOIN pg_catalog.pg_operator b ON b.oid = ba.amopopr
           JOIN pg_catalog.pg_namespace bn ON bn.oid = b.oprnamespace
          WHERE ba.amopfamily = o.opcfamily AND ba.amoppurpose = 'o' AND ba.amoplefttype = o.opcintype), '')
       ELSE '' END AS nearest
  FROM (SELECT DISTINCT u.class
          FROM pg_catalog.pg_index i, pg_catalog.unnest(i.indclass::pg_catalog.oid[]) AS u(class)) used
  JOIN pg_catalog.pg_opclass o ON o.oid = used.class
  JOIN pg_catalog.pg_namespace n ON n.oid = o.opcnamespace
  JOIN pg_catalog.pg_am m ON m.oid = o.opcmethod
  LEFT JOIN pg_catalog.pg_amop a ON a.amopfamily = o.opcfamily AND a.amoppurpose = 's'
        AND a.amoplefttype = o.opcintype
        AND (a.amoprighttype = o.opcintype OR m.amname NOT IN ('btree', 'hash'))
  LEFT JOIN pg_catalog.pg_operator op ON op.oid = a.amopopr
  LEFT JOIN pg_catalog.pg_proc p ON p.oid = op.oprcode
 GROUP BY o.oid, n.nspname, o.opcname, o.opcfamily, o.opcintype
 ORDER BY o.oid;
