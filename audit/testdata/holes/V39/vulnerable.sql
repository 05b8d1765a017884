-- object: app.write_doc()
CREATE VIEW app.inbox AS SELECT NULL::int AS doc, NULL::text AS body;
ALTER VIEW app.inbox OWNER TO {{owner}};
CREATE FUNCTION app.write_doc() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN UPDATE app.doc SET body = NEW.body WHERE id = NEW.doc; RETURN NEW; END $$;
CREATE TRIGGER write_doc INSTEAD OF INSERT ON app.inbox FOR EACH ROW EXECUTE FUNCTION app.write_doc();
GRANT INSERT ON app.inbox TO {{app}};
