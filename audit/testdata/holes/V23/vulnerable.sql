-- object: app.tell()
CREATE FUNCTION app.tell() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN PERFORM pg_notify('docs', row_to_json(NEW)::text); RETURN NEW; END $$;
CREATE TRIGGER tell AFTER INSERT OR UPDATE ON app.doc FOR EACH ROW EXECUTE FUNCTION app.tell();
