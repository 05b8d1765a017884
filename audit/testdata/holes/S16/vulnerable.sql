-- object: {{database}}
SELECT 'pg_stat_activity is readable by PUBLIC by default';
