
  SELECT EXISTS (
    SELECT FROM pg_policy p
     WHERE p.polrelid = $1 AND p.polname = $2 AND NOT p.polpermissive AND p.polcmd = '*' AND p.polroles = '{0}'
       AND pg_get_expr(p.polqual, p.polrelid) = $3
       AND coalesce(pg_get_expr(p.polwithcheck, p.polrelid), $3) = $3)
