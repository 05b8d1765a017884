
  WITH RECURSIVE reads (oid) AS (
    SELECT $1
    UNION
    SELECT d.refobjid
      FROM reads v
      JOIN pg_rewrite r ON r.ev_class = v.oid
      JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
  )
  SELECT EXISTS (SELECT FROM reads JOIN moat.protected g ON g.relation = reads.oid WHERE reads.oid <> $1)
