-- object: app.verify(text)
CREATE FUNCTION app.verify(t text) RETURNS boolean LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$ SELECT encode(sha256(('k3y-of-the-moat' || t)::bytea), 'hex') = current_setting('app.sig', true) $$;
