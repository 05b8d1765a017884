
BEGIN
  -- It runs after the trigger that keeps the tree, which comes first by name.
  IF TG_OP = 'UPDATE' AND NEW.:parent IS NOT DISTINCT FROM OLD.:parent THEN
    RETURN NULL;
  END IF;
  UPDATE :tenants t SET root_id = r.ancestor
    FROM (SELECT DISTINCT ON (b.tenant) b.tenant, a.ancestor
            FROM moat.tenant_tree b JOIN moat.tenant_tree a ON a.tenant = b.tenant
            WHERE b.ancestor = NEW.:key ORDER BY b.tenant, a.depth DESC) r
    WHERE t.:key = r.tenant AND t.root_id IS DISTINCT FROM r.ancestor;
  RETURN NULL;
END
