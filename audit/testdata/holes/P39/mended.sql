ALTER FUNCTION app.is_operator() SET search_path = pg_catalog, pg_temp;
