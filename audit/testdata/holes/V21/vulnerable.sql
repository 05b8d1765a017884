-- object: app_w.normalize(text)
CREATE SCHEMA app_w AUTHORIZATION {{app}};
CREATE FUNCTION app_w.normalize(t text) RETURNS text LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$ SELECT lower(t) $$;
ALTER FUNCTION app_w.normalize(text) OWNER TO {{app}};
