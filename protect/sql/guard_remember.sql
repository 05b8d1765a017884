
BEGIN
  DELETE FROM moat.protected WHERE relation = $1;
  INSERT INTO moat.protected
    SELECT $1, p.polname, pg_get_expr(p.polqual, p.polrelid)
      FROM pg_policy p
     WHERE p.polrelid = $1 AND NOT p.polpermissive AND p.polcmd = '*' AND p.polroles = '{0}' AND p.polqual IS NOT NULL;
  IF NOT FOUND THEN
    INSERT INTO moat.protected VALUES ($1, '', '');
  END IF;
END
