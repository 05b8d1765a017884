-- object: app.q(text)
CREATE EXTENSION IF NOT EXISTS dblink;
CREATE FUNCTION app.q(q text) RETURNS SETOF text LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$ SELECT body FROM dblink('dbname=' || current_database(), q) AS r(body text) $$;
