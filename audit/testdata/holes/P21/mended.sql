ALTER FUNCTION app.can_see(uuid) SET search_path = pg_catalog, app, pg_temp;
