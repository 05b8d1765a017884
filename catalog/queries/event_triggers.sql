-- One row is an event trigger.
SELECT e.evtname::pg_catalog.text AS name, e.evtevent::pg_catalog.text AS event, e.evtfoid AS function_oid,
       pg_catalog.pg_get_userbyid(e.evtowner)::pg_catalog.text AS owner,
       CASE e.evtenabled WHEN 'O' THEN 'origin' WHEN 'A' THEN 'always' WHEN 'R' THEN 'replica' ELSE 'disabled' END AS enabled,
       coalesce(e.evttags, '{}') AS tags
  FROM pg_catalog.pg_event_trigger e
 ORDER BY e.evtname;
