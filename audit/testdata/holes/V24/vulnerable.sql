-- object: app.bodies()
CREATE FUNCTION app.inner_bodies() RETURNS SETOF text LANGUAGE sql SET search_path = pg_catalog, pg_temp AS 'SELECT body FROM app.doc';
CREATE FUNCTION app.bodies() RETURNS SETOF text LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'SELECT app.inner_bodies()';
