CREATE TABLE app.key (k bytea);
ALTER TABLE app.key OWNER TO {{owner}};
INSERT INTO app.key VALUES ('another');
REVOKE ALL ON app.key FROM PUBLIC;
CREATE OR REPLACE FUNCTION app.verify(t text) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$ SELECT pg_catalog.encode(pg_catalog.sha256(k || t::bytea), 'hex') = pg_catalog.current_setting('app.sig', true) FROM app.key $$;
ALTER FUNCTION app.verify(text) OWNER TO {{owner}};
