-- object: {{database}}
SELECT 'TEMPORARY is granted to PUBLIC by default';
