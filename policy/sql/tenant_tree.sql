
BEGIN
  -- One at a time, and with a fresh snapshot each: else two moves make a cycle, or a new
  -- tenant keeps an ancestor that it has lost.
  IF current_setting('transaction_isolation') <> 'read committed' AND NEW.:parent IS NOT NULL THEN
    RAISE EXCEPTION 'moat: the tree of tenants changes in read committed transactions only' USING ERRCODE = '25001';
  END IF;
  PERFORM pg_advisory_xact_lock(7713254921);
  IF TG_OP = 'UPDATE' THEN
    IF NEW.:parent IS NOT DISTINCT FROM OLD.:parent AND NEW.:key = OLD.:key THEN
      RETURN NULL;
    END IF;
    IF current_setting('transaction_isolation') <> 'read committed' THEN
      RAISE EXCEPTION 'moat: the tree of tenants changes in read committed transactions only' USING ERRCODE = '25001';
    END IF;
    IF NEW.:key <> OLD.:key THEN
      RAISE EXCEPTION 'moat: the key of a tenant cannot change' USING ERRCODE = '23514';
    END IF;
    IF EXISTS (SELECT FROM moat.tenant_tree WHERE ancestor = NEW.:key AND tenant = NEW.:parent) THEN
      RAISE EXCEPTION 'moat: tenant % cannot be below itself', NEW.:key USING ERRCODE = '23514';
    END IF;
    DELETE FROM moat.tenant_tree x USING moat.tenant_tree below, moat.tenant_tree above
      WHERE below.ancestor = NEW.:key AND above.tenant = NEW.:key AND above.ancestor <> NEW.:key
        AND x.tenant = below.tenant AND x.ancestor = above.ancestor;
    INSERT INTO moat.tenant_tree
      SELECT above.ancestor, below.tenant, above.depth + below.depth + 1
        FROM moat.tenant_tree above, moat.tenant_tree below
        WHERE above.tenant = NEW.:parent AND below.ancestor = NEW.:key;
  ELSE
    IF NEW.:parent = NEW.:key THEN
      RAISE EXCEPTION 'moat: tenant % cannot be below itself', NEW.:key USING ERRCODE = '23514';
    END IF;
    INSERT INTO moat.tenant_tree VALUES (NEW.:key, NEW.:key, 0);
    INSERT INTO moat.tenant_tree
      SELECT ancestor, NEW.:key, depth + 1 FROM moat.tenant_tree WHERE tenant = NEW.:parent;
  END IF;
  RETURN NULL;
END
