-- object: app.cnt(text)
CREATE FUNCTION app.cnt(tbl text) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, app, pg_temp AS $$ DECLARE r bigint; BEGIN EXECUTE format('SELECT count(*) FROM %s', tbl) INTO r; RETURN r; END $$;
