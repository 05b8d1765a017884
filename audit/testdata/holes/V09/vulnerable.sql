-- object: app.demo()
CREATE FUNCTION app.demo() RETURNS SETOF text LANGUAGE sql STABLE SET search_path = pg_catalog, app, pg_temp SET app.current_tenant = '22222222-2222-2222-2222-222222222222' AS $$ SELECT body FROM doc $$;
