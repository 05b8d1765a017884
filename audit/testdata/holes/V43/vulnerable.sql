-- object: app.for_support
CREATE FUNCTION app.support() RETURNS boolean LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS 'SELECT true';
REVOKE EXECUTE ON FUNCTION app.support() FROM PUBLIC;
CREATE VIEW app.for_support AS SELECT * FROM app.doc WHERE app.support();
GRANT SELECT, INSERT ON app.for_support TO {{app}};
