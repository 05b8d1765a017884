-- object: app.read_docs(integer[])
CREATE FUNCTION app.read_docs(ids int[]) RETURNS SETOF text LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'SELECT body FROM app.doc WHERE id = ANY (ids)';
