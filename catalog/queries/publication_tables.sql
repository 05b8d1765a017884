-- One row is a table that a publication sends, however it came to be in it.
SELECT t.pubname::pg_catalog.text AS publication, t.schemaname::pg_catalog.text AS schema,
       t.tablename::pg_catalog.text AS name
  FROM pg_catalog.pg_publication_tables t
 ORDER BY 1, 2, 3;
