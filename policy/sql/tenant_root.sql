
BEGIN
  -- It runs after the trigger that keeps the tree, which comes first by name.
  IF TG_OP = 'UPDATE' THEN
    IF NEW.:parent IS NOT DISTINCT FROM OLD.:parent THEN
      RETURN NULL;
    END IF;
    -- The key takes root_id to the rows there are. It does not see those that somebody is writing, and the lock on
    -- the tenant's row by which PostgreSQL would wait for them gets lost where another version of that row, written
    -- meanwhile, needs another page. So who writes holds an advisory lock. Tenants share 1,024 of them: whoever
    -- writes for all tenants must find room in the server's table of locks.
    PERFORM pg_advisory_xact_lock(:lock, shared)
      FROM (SELECT DISTINCT hashtext(tenant::text) & 1023 AS shared FROM moat.tenant_tree
              WHERE ancestor = NEW.:key ORDER BY 1) below;
  END IF;
  UPDATE :tenants t SET root_id = r.ancestor
    FROM (SELECT DISTINCT ON (b.tenant) b.tenant, a.ancestor
            FROM moat.tenant_tree b JOIN moat.tenant_tree a ON a.tenant = b.tenant
            WHERE b.ancestor = NEW.:key ORDER BY b.tenant, a.depth DESC) r
    WHERE t.:key = r.tenant AND t.root_id IS DISTINCT FROM r.ancestor;
  RETURN NULL;
END
