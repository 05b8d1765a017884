-- One row is an event trigger of moat's guard, which refuses changes of policies, and
-- how it is enabled.
SELECT pg_catalog.quote_ident(e.evtname), CASE e.evtenabled WHEN 'A' THEN 'ENABLE ALWAYS' WHEN 'R' THEN 'ENABLE REPLICA' ELSE 'ENABLE' END
  FROM pg_catalog.pg_event_trigger e
  JOIN pg_catalog.pg_proc f ON f.oid = e.evtfoid
  JOIN pg_catalog.pg_namespace n ON n.oid = f.pronamespace
 WHERE n.nspname = 'moat' AND e.evtenabled <> 'D'
 ORDER BY 1
