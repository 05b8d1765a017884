ALTER ROLE {{app}} RESET app.current_tenant;
