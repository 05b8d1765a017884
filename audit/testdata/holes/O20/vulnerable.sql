-- object: app.raw(integer)
CREATE EXTENSION IF NOT EXISTS pageinspect;
CREATE FUNCTION app.raw(page int) RETURNS SETOF bytea LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$ SELECT t_data FROM heap_page_items(get_raw_page('app.doc', page)) $$;
