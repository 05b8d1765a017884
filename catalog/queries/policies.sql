-- One row is a policy, its expressions as text. Their trees are read before.
SELECT p.oid, p.xmin::pg_catalog.text AS version, p.polrelid AS relation,
       p.polname::pg_catalog.text AS name, p.polpermissive AS permissive,
       CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE'
            WHEN 'd' THEN 'DELETE' ELSE 'ALL' END AS command,
       p.polroles AS role_oids,
       pg_catalog.pg_get_expr(p.polqual, p.polrelid) AS using_text,
       pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) AS check_text
  FROM pg_catalog.pg_policy p
  JOIN pg_catalog.pg_class c ON c.oid = p.polrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' AND c.relpersistence <> 't'
 ORDER BY n.nspname, c.relname, p.polname;
