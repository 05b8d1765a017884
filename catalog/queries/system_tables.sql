-- One row is a table of pg_catalog that holds values of rows, or secrets, and that
-- PostgreSQL shows to superusers alone, once somebody has been granted something on it.
SELECT c.relname::pg_catalog.text AS name, c.relacl::pg_catalog.text[] AS acl
  FROM pg_catalog.pg_class c
 WHERE c.relnamespace = 'pg_catalog'::pg_catalog.regnamespace AND c.relacl IS NOT NULL
   AND c.relname IN ('pg_statistic', 'pg_statistic_ext_data', 'pg_largeobject', 'pg_authid', 'pg_shadow',
       'pg_user_mapping', 'pg_subscription', 'pg_hba_file_rules', 'pg_file_settings')
 ORDER BY c.relname;
