ALTER TABLE app.doc ADD COLUMN size int GENERATED ALWAYS AS (length(body)) STORED;
CREATE FUNCTION app.trim_body() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$ BEGIN NEW.body := trim(NEW.body); RETURN NEW; END $$;
CREATE TRIGGER trim_body BEFORE INSERT OR UPDATE ON app.doc FOR EACH ROW EXECUTE FUNCTION app.trim_body();
