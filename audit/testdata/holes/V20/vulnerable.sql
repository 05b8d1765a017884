-- object: app.ctx_key
CREATE TABLE app.ctx_key (k bytea NOT NULL);
INSERT INTO app.ctx_key VALUES ('not for the application');
ALTER TABLE app.ctx_key OWNER TO {{owner}};
CREATE FUNCTION app.verify() RETURNS uuid LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$ BEGIN
  IF (SELECT encode(sha256(k || current_setting('app.current_tenant', true)::bytea), 'hex') FROM app.ctx_key) = current_setting('app.mac', true) THEN
    RETURN nullif(current_setting('app.current_tenant', true), '')::uuid;
  END IF;
  RETURN NULL;
END $$;
ALTER FUNCTION app.verify() OWNER TO {{owner}};
DROP POLICY iso ON app.doc;
CREATE POLICY iso ON app.doc USING (tenant_id = (SELECT app.verify()));
GRANT ALL ON app.ctx_key TO {{app}};
