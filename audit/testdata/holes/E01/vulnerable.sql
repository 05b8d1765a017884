-- object: {{database}}
SELECT 'no event trigger watches new tables';
