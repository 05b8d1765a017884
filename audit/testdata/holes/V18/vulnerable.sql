-- object: app.export(text)
CREATE FUNCTION app.export(q text) RETURNS xml LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$ SELECT query_to_xml(q, true, false, '') $$;
