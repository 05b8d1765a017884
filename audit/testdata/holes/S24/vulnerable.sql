-- object: app.doc.c
CREATE FUNCTION app.chk() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, app, pg_temp AS $$ BEGIN PERFORM count(*) FROM doc; RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER c AFTER UPDATE ON app.doc DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION app.chk();
