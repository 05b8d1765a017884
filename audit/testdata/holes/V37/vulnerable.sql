-- object: app.write_doc()
CREATE VIEW app.v AS SELECT 1 AS id, ''::text AS body;
ALTER VIEW app.v OWNER TO {{owner}};
CREATE FUNCTION app.write_doc() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN UPDATE app.doc SET body = NEW.body WHERE id = NEW.id; RETURN NEW; END $$;
CREATE TRIGGER write_doc INSTEAD OF UPDATE ON app.v FOR EACH ROW EXECUTE FUNCTION app.write_doc();
GRANT SELECT, UPDATE ON app.v TO {{app}};
