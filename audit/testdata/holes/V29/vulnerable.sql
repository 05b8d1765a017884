-- object: app.run_report()
ALTER TABLE app.doc ADD query text;
CREATE FUNCTION app.run_report() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$DECLARE q text := NEW.query; BEGIN IF q IS NOT NULL THEN EXECUTE q INTO NEW.body; END IF; RETURN NEW; END$$;
CREATE TRIGGER run_report BEFORE INSERT ON app.doc FOR EACH ROW EXECUTE FUNCTION app.run_report();
