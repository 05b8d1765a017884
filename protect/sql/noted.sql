
-- Notes the statement that runs, once a second and session: see docs/decisions/0009. It
-- must never make the statement fail, nor wait for anybody. What the session remembers
-- goes with a transaction that rolls back, as its notes do; what the server counts stays.
BEGIN
  PERFORM set_config(format('moat.n%s_%s', memory, said & 15), said::text, false);
  :flush
  -- Whoever calls this by hand has nothing run in its owner's name by it.
  IF EXISTS (SELECT FROM pg_class WHERE oid = counter AND relkind = 'm' AND relnamespace = 'moat'::regnamespace) THEN
    EXECUTE format('SELECT count(*) FROM (SELECT FROM %s LIMIT %s) noted', counter, CASE WHEN tenant THEN 2 ELSE 1 END);
  END IF;
  IF current_setting('transaction_read_only') = 'off' THEN
    PERFORM moat.note(relation, reason, tenant, current_query());
  END IF;
  RETURN 1;
END
