-- object: app.doc_again(app.doc)
CREATE FUNCTION app.doc_again(d app.doc) RETURNS text LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'SELECT body FROM app.doc WHERE id = d.id';
