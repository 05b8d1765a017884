CREATE FUNCTION app.always(uuid, uuid) RETURNS boolean LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$ SELECT true $$;
CREATE OPERATOR app.= (LEFTARG = uuid, RIGHTARG = uuid, FUNCTION = app.always);
