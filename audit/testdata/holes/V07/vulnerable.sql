-- object: app.search(text)
CREATE FUNCTION app.search(q text) RETURNS SETOF app.doc LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, app, pg_temp AS $$ SELECT * FROM doc WHERE body LIKE '%' || q || '%' $$;
