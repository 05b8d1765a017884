-- One row is a collation by which only equal texts are equal, of those that expression
-- trees mention ($1).
SELECT o.oid
  FROM pg_catalog.pg_collation o
 WHERE o.collisdeterministic AND o.oid = ANY ($1)
 ORDER BY o.oid;
