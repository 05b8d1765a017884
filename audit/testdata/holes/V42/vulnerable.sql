-- object: app.parts
CREATE FUNCTION app.support() RETURNS boolean LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS 'SELECT true';
REVOKE EXECUTE ON FUNCTION app.support() FROM PUBLIC;
CREATE VIEW app.parts AS SELECT 'all' AS part, id, body FROM app.doc UNION ALL SELECT 'support', id, body FROM app.doc WHERE app.support();
GRANT SELECT ON app.parts TO {{app}};
