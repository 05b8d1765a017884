-- object: {{database}}
SELECT 'large object functions are executable by PUBLIC by default';
