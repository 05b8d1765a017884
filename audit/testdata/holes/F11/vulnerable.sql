-- object: app.tenant()
CREATE FUNCTION app.tenant() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$ SELECT nullif(current_setting('app.current_tenant', true), '')::uuid $$;
ALTER FUNCTION app.tenant() OWNER TO {{owner}};
DROP POLICY iso ON app.doc;
CREATE POLICY iso ON app.doc USING (tenant_id = (SELECT app.tenant()));
