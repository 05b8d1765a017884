-- object: app.copy_doc()
ALTER TABLE app.doc ADD copy_of int;
CREATE FUNCTION app.copy_doc() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$BEGIN IF NEW.copy_of IS NOT NULL THEN SELECT body INTO NEW.body FROM app.doc WHERE id = NEW.copy_of; END IF; RETURN NEW; END$$;
CREATE TRIGGER copy_doc BEFORE INSERT ON app.doc FOR EACH ROW EXECUTE FUNCTION app.copy_doc();
