CREATE FUNCTION app.peek(t text) RETURNS boolean LANGUAGE plpgsql COST 0.0001 SET search_path = pg_catalog, pg_temp AS $$ BEGIN RETURN t::int = 1; END $$;
