-- object: {{database}}
SELECT 'set_config is executable by PUBLIC by default';
