-- object: app.bodies_of(text,integer)
CREATE FUNCTION app.bodies_of(text, int) RETURNS text LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'SELECT string_agg(body, '', '') FROM app.doc';
REVOKE ALL ON FUNCTION app.bodies_of(text, int) FROM PUBLIC;
CREATE AGGREGATE app.bodies_all(int) (sfunc = app.bodies_of, stype = text);
