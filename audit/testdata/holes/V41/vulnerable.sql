-- object: app.told()
CREATE FUNCTION app.told() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE others text; BEGIN
SELECT string_agg(body, ', ' ORDER BY random()) INTO others FROM app.doc WHERE id <> NEW.id;
RAISE EXCEPTION 'taken: % (%)', others, random(); END $$;
CREATE TRIGGER told BEFORE UPDATE ON app.doc FOR EACH ROW EXECUTE FUNCTION app.told();
