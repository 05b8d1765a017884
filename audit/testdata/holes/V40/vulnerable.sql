-- object: app.is_new(text)
CREATE FUNCTION app.is_new(b text) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE other app.doc; BEGIN
SELECT * INTO other FROM app.doc WHERE body = b; IF NOT FOUND THEN RETURN true; END IF;
RAISE EXCEPTION 'already written: %', other; END $$;
ALTER TABLE app.doc ADD CHECK (app.is_new(body)) NOT VALID;
