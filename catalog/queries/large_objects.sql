-- One row: the number of large objects.
SELECT pg_catalog.count(*) AS number FROM pg_catalog.pg_largeobject_metadata ORDER BY 1;
