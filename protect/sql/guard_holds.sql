
  SELECT EXISTS (
    SELECT FROM pg_policy p
     WHERE p.polrelid = $1 AND p.polname = $2 AND NOT p.polpermissive
       AND format('%s to %s using %s check %s', p.polcmd, p.polroles::regrole[], pg_get_expr(p.polqual, p.polrelid),
                  coalesce(pg_get_expr(p.polwithcheck, p.polrelid), pg_get_expr(p.polqual, p.polrelid))) = $3)
