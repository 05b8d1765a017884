CREATE FUNCTION app.all_docs() RETURNS SETOF app.doc LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'SELECT * FROM app.doc';
CREATE FUNCTION app.support() RETURNS boolean LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS 'SELECT true';
REVOKE EXECUTE ON FUNCTION app.all_docs(), app.support() FROM PUBLIC;
CREATE VIEW app.every_doc AS SELECT * FROM app.all_docs();
CREATE VIEW app.for_support AS SELECT id, body FROM app.doc WHERE app.support();
CREATE VIEW app.bodies AS SELECT body FROM app.for_support;
GRANT SELECT ON app.every_doc, app.for_support, app.bodies TO {{app}};
