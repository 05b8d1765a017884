-- One row: since when the database is observed, and since when the server's counts hold:
-- a crash and pg_stat_reset() begin them anew. What was scanned once at the beginning
-- (moat.observing) tells whether they were.
SELECT pg_catalog.substr(pg_catalog.obj_description(f.oid, 'pg_proc'), pg_catalog.length($1) + 1)::timestamptz AS since,
       CASE WHEN (SELECT coalesce(sum(s.seq_scan), 0) > 0 FROM pg_catalog.pg_stat_all_tables s
                   WHERE s.schemaname = 'moat' AND s.relname = 'observing') THEN NULL
            ELSE (SELECT greatest(d.stats_reset, b.stats_reset) FROM pg_catalog.pg_stat_database d,
                         pg_catalog.pg_stat_bgwriter b WHERE d.datname = pg_catalog.current_database()) END AS reset,
       EXISTS (SELECT FROM pg_catalog.pg_stat_all_tables s
                WHERE s.schemaname = 'moat' AND s.relname = 'observing' AND s.seq_scan > 0) AS counted,
       pg_catalog.current_setting('track_counts')::boolean AS counts,
       pg_catalog.pg_is_in_recovery() AS standby,
       pg_catalog.has_schema_privilege(n.oid, 'USAGE')
           AND pg_catalog.has_table_privilege(notes.oid, 'SELECT') AS readable,
       pg_catalog.pg_relation_size(notes.oid) AS bytes
  FROM pg_catalog.pg_proc f JOIN pg_catalog.pg_namespace n ON n.oid = f.pronamespace
  JOIN pg_catalog.pg_class notes ON notes.relnamespace = n.oid AND notes.relname = 'notes'
 WHERE n.nspname = 'moat' AND f.proname = 'noted'
