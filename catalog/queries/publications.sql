-- One row is a publication.
SELECT p.pubname::pg_catalog.text AS name, pg_catalog.pg_get_userbyid(p.pubowner)::pg_catalog.text AS owner,
       p.puballtables AS all_tables
  FROM pg_catalog.pg_publication p
 ORDER BY p.pubname;
