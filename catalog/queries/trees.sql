-- One row is a policy: the trees of its expressions, and the version of its row.
SELECT p.oid, p.xmin::pg_catalog.text AS version, p.polqual::pg_catalog.text AS using_tree,
       p.polwithcheck::pg_catalog.text AS check_tree
  FROM pg_catalog.pg_policy p
 ORDER BY p.oid;
