-- One row is a run-time parameter that a rule asks about, with the value that a
-- new session of this role gets here.
SELECT s.name, coalesce(s.reset_val, s.setting) AS value
  FROM pg_catalog.pg_settings s
 WHERE s.name = ANY (ARRAY[
       'block_size', 'default_transaction_isolation', 'idle_in_transaction_session_timeout',
       'lo_compat_privileges', 'lock_timeout', 'log_min_duration_statement',
       'log_parameter_max_length', 'log_statement', 'max_connections',
       'max_prepared_transactions', 'max_replication_slots', 'max_wal_senders',
       'password_encryption', 'plan_cache_mode', 'row_security', 'search_path',
       'session_replication_role', 'ssl',
       'statement_timeout', 'transaction_timeout', 'wal_level'])
 ORDER BY s.name;
