-- object: app.tenant()
CREATE FUNCTION app.tenant() RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$ SELECT nullif(current_setting('app.current_tenant', true), '')::uuid $$;
DROP POLICY iso ON app.doc;
CREATE POLICY iso ON app.doc USING (tenant_id = app.tenant());
