-- One row is a policy whose expressions name the tenant: the plain setting ($1, a
-- pattern) or the sealed function. Names are qualified but for pg_catalog's.
SELECT c.oid, pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) AS relation, p.polname::text,
       coalesce(pg_catalog.pg_get_expr(p.polqual, p.polrelid), '') AS using_text,
       coalesce(pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid), '') AS check_text
  FROM pg_catalog.pg_policy p
  JOIN pg_catalog.pg_class c ON c.oid = p.polrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE concat(pg_catalog.pg_get_expr(p.polqual, p.polrelid), ' ', pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid)) ~* $1
 ORDER BY n.nspname, c.relname, p.polname
