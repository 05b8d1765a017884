-- object: app.is_one(text)
CREATE FUNCTION app.is_one(t text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE LEAKPROOF COST 0.0001 SET search_path = pg_catalog, pg_temp AS $$ BEGIN RETURN t::int = 1; END $$;
