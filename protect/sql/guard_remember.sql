
BEGIN
  DELETE FROM moat.protected WHERE relation = $1;
  INSERT INTO moat.protected
    SELECT $1, p.polname, format('%s to %s using %s check %s', p.polcmd, p.polroles::regrole[], pg_get_expr(p.polqual, p.polrelid),
                                 coalesce(pg_get_expr(p.polwithcheck, p.polrelid), pg_get_expr(p.polqual, p.polrelid)))
      FROM pg_policy p
     WHERE p.polrelid = $1 AND NOT p.polpermissive;
  IF NOT FOUND THEN
    INSERT INTO moat.protected VALUES ($1, '', '');
  END IF;
END
