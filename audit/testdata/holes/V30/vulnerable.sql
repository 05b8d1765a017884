-- object: app.docs_of_mine()
CREATE FUNCTION app.docs_of_mine() RETURNS SETOF app.doc LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$SELECT * FROM app.doc WHERE tenant_id = coalesce(nullif(current_setting('app.current_tenant', true), '')::uuid, tenant_id)$$;
