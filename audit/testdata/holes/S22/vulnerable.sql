-- object: app.parse(text)
CREATE FUNCTION app.parse(t text) RETURNS uuid LANGUAGE plpgsql STABLE AS $$ BEGIN RETURN t::uuid; END $$;
