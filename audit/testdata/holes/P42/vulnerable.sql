-- object: app.mine(uuid,text)
CREATE FUNCTION app.mine(t uuid, b text) RETURNS boolean LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN IF t = nullif(current_setting('app.current_tenant', true), '')::uuid THEN RETURN true; END IF;
RAISE EXCEPTION 'not yours: %', b; END $$;
DROP POLICY iso ON app.doc;
CREATE POLICY iso ON app.doc USING (app.mine(tenant_id, body));
