ALTER FUNCTION app.demo() RESET app.current_tenant;
