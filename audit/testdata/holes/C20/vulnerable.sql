-- object: {{app}}
ALTER ROLE {{app}} SET app.current_tenant = '22222222-2222-2222-2222-222222222222';
