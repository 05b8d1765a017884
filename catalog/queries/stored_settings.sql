-- One row is the settings stored for a role, for this database, or for both.
SELECT CASE WHEN s.setrole = 0 THEN '' ELSE pg_catalog.pg_get_userbyid(s.setrole)::pg_catalog.text END AS role,
       coalesce(d.datname::pg_catalog.text, '') AS database,
       coalesce(s.setconfig, '{}') AS entries
  FROM pg_catalog.pg_db_role_setting s
  LEFT JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
 WHERE s.setdatabase = 0 OR d.datname = pg_catalog.current_database()
 ORDER BY 1, 2;
