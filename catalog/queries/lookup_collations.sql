-- One row is a collation by which only equal texts are equal, for reading COLLATE in
-- expression trees.
SELECT o.oid
  FROM pg_catalog.pg_collation o
 WHERE o.collisdeterministic
 ORDER BY o.oid;
