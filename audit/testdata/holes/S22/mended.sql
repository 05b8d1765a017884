ALTER FUNCTION app.parse(text) SET search_path = app, pg_temp;
