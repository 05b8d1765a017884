-- object: {{database}}
SELECT 'pg_cancel_backend is executable by PUBLIC by default';
