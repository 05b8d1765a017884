-- object: app.tenant()
CREATE FUNCTION app.tenant() RETURNS uuid LANGUAGE plpgsql VOLATILE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$ BEGIN RETURN nullif(current_setting('app.current_tenant', true), '')::uuid; END $$;
ALTER FUNCTION app.tenant() OWNER TO {{owner}};
DROP POLICY iso ON app.doc;
CREATE POLICY iso ON app.doc USING (tenant_id = (SELECT app.tenant()));
