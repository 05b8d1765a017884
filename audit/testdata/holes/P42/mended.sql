CREATE OR REPLACE FUNCTION app.mine(t uuid, b text) RETURNS boolean LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
    AS $$SELECT t = nullif(current_setting('app.current_tenant', true), '')::uuid$$;
