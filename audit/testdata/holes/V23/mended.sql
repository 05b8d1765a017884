CREATE OR REPLACE FUNCTION app.tell() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN PERFORM pg_notify('docs', TG_OP); RETURN NEW; END $$;
