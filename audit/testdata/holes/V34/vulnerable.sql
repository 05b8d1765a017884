-- object: app.read_doc(jsonb)
CREATE FUNCTION app.read_doc(args jsonb) RETURNS text LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$SELECT body FROM app.doc WHERE id = (args->>'doc_id')::int$$;
